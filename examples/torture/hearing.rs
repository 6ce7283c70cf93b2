//! What a client does with what it hears: each frame goes to what waits for it.

use serde_json::Value;
use tokio::time::Instant;

use crate::agent::{Agent, Asked, Talk};
use crate::tracks::Stage;

impl Agent {
    /// Deals with a frame.
    pub fn hear(&mut self, talk: &mut Talk, frame: &Value) {
        (talk.heard_at, talk.pinged) = (Instant::now(), false);
        let asked = frame["id"].as_str().and_then(|id| talk.asked.remove(id)).map(|(asked, _)| asked);
        match frame["type"].as_str().unwrap_or_default() {
            "welcome" => self.welcome(talk, frame),
            "joined" => self.joined(talk, frame),
            "left" | "closed" => self.set_stage(frame["channel"].as_str(), Stage::Away),
            "message" => self.message(frame),
            "published" => {
                if let Some(Asked::Publish(number)) = asked {
                    self.receipt(number, frame);
                }
            }
            "history" => {
                if let Some(Asked::Missing(channel, _, before)) = asked
                    && frame["more"] == true
                    && let Some(last) = frame["messages"].as_array().and_then(|all| all.last()?["seq"].as_u64())
                {
                    self.read_missing(talk, channel, last, before);
                }
            }
            "error" => self.refused(talk, asked, frame),
            _ => {}
        }
    }

    /// An error came: for a command, or for the hello.
    fn refused(&mut self, talk: &mut Talk, asked: Option<Asked>, error: &Value) {
        let code = error["code"].as_str().unwrap_or_default();
        // One who is not let in now comes back later.
        talk.leaving |= !talk.welcomed && error["close"].is_null();
        if !talk.welcomed && code == "unauthenticated" && error["close"] != 4002 {
            let mut user = self.scene.users[self.role.user].lock();
            if user.token.take().is_some() && self.scene.plan.figures.durable {
                let name = user.name.clone().unwrap_or_default();
                self.scene.recorder.breach("tokens", format!("session {}: the token of {name} is not good", talk.no));
            }
        }
        match asked {
            Some(Asked::Publish(number)) => self.not_published(number, code, error["retry_after_ms"].as_u64()),
            // What became of it nobody knows: whoever joins again knows.
            Some(Asked::Join(channel) | Asked::Leave(channel)) => self.set_stage(Some(&channel), Stage::Away),
            _ => {}
        }
    }

    /// Replies are lost: publishes are said again with the same key, and who joins again knows where it stands.
    pub fn lost(&mut self, talk: &mut Talk, ids: &[String]) {
        for id in ids {
            match talk.asked.remove(id) {
                Some((Asked::Publish(number), _)) => self.not_published(number, "unavailable", Some(0)),
                Some((Asked::Join(channel) | Asked::Leave(channel), _)) => self.join(talk, &channel),
                _ => {}
            }
        }
    }

    /// A reply over long-poll that counts where it comes again.
    pub fn aside(talk: &mut Talk, frame: &Value) {
        talk.heard_at = Instant::now();
        if let Some(id) = frame["id"].as_str() {
            talk.asked.remove(id);
        }
    }
}
