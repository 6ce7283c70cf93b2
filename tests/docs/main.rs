//! The pages for those who write a client, held against a server: every exchange in a block marked `websocket` and every
//! command in a block marked `curl` is carried out, and what comes has to be what the page shows.
//!
//! `docs/testing.md` says how blocks are written.

mod page;
mod pattern;
mod play;
mod shell;
mod wire;

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use play::Play;

/// How long anything that a page shows may take to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Plays a page. Returns how many blocks it had, or what is not as it says.
fn replay(text: &str, patience: Duration) -> Result<usize, String> {
    let blocks = page::blocks(text);
    if let Some(block) = blocks.iter().find(|block| block.shows_frames() && !block.is_replayed()) {
        let line = block.line;
        return Err(format!(
            "line {line}: the block shows frames: mark it as `websocket` or `curl`, so that it is played"
        ));
    }
    let (mut shared, mut frames, mut count) = (None, Vec::new(), 0);
    for block in blocks.iter().filter(|block| block.is_replayed()) {
        let settings = block.settings();
        let wrong = |why: String| format!("in the block from line {} on: {why}", block.line);
        if settings.is_empty() {
            if shared.is_none() {
                shared = Some(Play::new(&[], patience)?);
            }
            if let Some(play) = &mut shared {
                play.block(block).map_err(wrong)?;
            }
        } else {
            let mut play = Play::new(&settings, patience).map_err(wrong)?;
            play.block(block).map_err(wrong)?;
            frames.append(&mut play.frames);
        }
        count += 1;
    }
    frames.extend(shared.iter_mut().flat_map(|play| play.frames.drain(..)));
    for (line, text) in page::inline_frames(text) {
        let shown: Value = serde_json::from_str(&text).map_err(|why| format!("line {line}: {text}: {why}"))?;
        if !frames.iter().any(|frame| is_like(&shown, frame)) {
            return Err(format!("line {line}: no block of the page has a frame with the members of {text}"));
        }
    }
    Ok(count)
}

/// Whether two frames have the same type and the same members.
fn is_like(one: &Value, other: &Value) -> bool {
    let names = |frame: &Value| frame.as_object().map(|members| members.keys().cloned().collect::<Vec<_>>());
    one["type"] == other["type"] && names(one) == names(other)
}

/// Plays a page of the repository, which has at least so many blocks.
fn holds(path: &str, least: usize) {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    match replay(&text, PATIENCE) {
        Ok(blocks) => assert!(blocks >= least, "{path}: {blocks} blocks were played, and at least {least} should be"),
        Err(why) => panic!("{path}: {why}"),
    }
}

#[test]
fn the_readme_is_true() {
    holds("README.md", 1);
}

#[test]
fn the_first_page_is_true() {
    holds("docs/protocol.md", 3);
}

#[test]
fn the_page_about_commands_and_events_is_true() {
    holds("docs/protocol/frames.md", 15);
}

#[test]
fn the_page_about_channels_as_places_is_true() {
    holds("docs/protocol/places.md", 7);
}

#[test]
fn the_page_about_coming_back_is_true() {
    holds("docs/protocol/resume.md", 5);
}

#[test]
fn the_page_about_websocket_is_true() {
    holds("docs/protocol/websocket.md", 3);
}

#[test]
fn the_page_about_long_poll_is_true() {
    holds("docs/protocol/longpoll.md", 6);
}

#[test]
fn the_page_about_plain_http_is_true() {
    holds("docs/protocol/http.md", 6);
}

#[test]
fn the_page_about_accounts_is_true() {
    holds("docs/protocol/accounts.md", 7);
}

#[test]
fn the_page_about_embedding_is_true() {
    holds("docs/protocol/embedding.md", 1);
}

#[test]
fn the_page_about_schemas_is_true() {
    holds("docs/protocol/schemas.md", 1);
}

#[test]
fn no_page_is_left_out() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/protocol");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let named = include_str!("main.rs").contains(&*path.file_name().unwrap().to_string_lossy());
        let shows = page::blocks(&text).iter().any(|block| block.is_replayed() || block.shows_frames());
        assert!(named || !shows, "{}: give the page a test here", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELCOME: &str = "> {\"type\":\"hello\",\"version\":1,\"guest\":\"ann\"}\n\
        < {\"type\":\"welcome\",\"session\":\"1-a1…0e\",\"sid\":\"0d343e14ce6b\",\"user\":\"~ann-ldegm\",\"guest\":true,\
        \"token\":\"g1.~ann-ldegm.54…cc\",\"expires_at\":\"…\",\"heartbeat_ms\":25000,\"timeout_ms\":60000,\"now\":\"…\",\
        \"server\":\"parlor/0.1.0\",\"versions\":[1],\"features\":[],\"limits\":{\"frame_bytes\":65536,\"body_bytes\":32768,\
        \"page_max\":1000,\"replay_max\":10000,\"outstanding\":64,\"channels\":256}}\n";
    const JOINED: &str = "> {\"type\":\"join\",\"id\":\"j\",\"channel\":\"a\"}\n\
        < {\"type\":\"joined\",\"id\":\"j\",\"channel\":\"a\",\"epoch\":\"e-1-2\",\"first\":1,\"gap\":false,\"head\":0,\"next\":1,\"replay\":0}\n";
    const PUBLISH: &str = "> {\"type\":\"publish\",\"id\":\"p\",\"channel\":\"a\",\"body\":{}}\n";
    const PUBLISHED: &str = "< {\"type\":\"published\",\"id\":\"p\",\"channel\":\"a\",\"epoch\":\"e-1-2\",\"seq\":1,\"at\":\"…\",\"duplicate\":false}\n";
    const MESSAGE: &str =
        "< {\"type\":\"message\",\"channel\":\"a\",\"seq\":1,\"at\":\"…\",\"from\":\"~ann-ldegm\",\"body\":{}}\n";

    fn page(lines: &[&str]) -> String {
        format!("```websocket ann\n{}\n```\n", lines.concat().trim_end())
    }

    /// Plays a page of one block, and returns why it fails.
    fn websocket(lines: &[&str]) -> Option<String> {
        replay(&page(lines), PATIENCE).err()
    }

    fn curl(text: &str) -> Option<String> {
        let page = format!("```curl\nA=http://127.0.0.1:8080\n{text}\n```\n");
        replay(&page, PATIENCE).err()
    }

    fn fails(outcome: Option<String>, because: &str) {
        assert!(outcome.as_ref().is_some_and(|why| why.contains(because)), "expected {because:?}, got {outcome:?}");
    }

    #[test]
    fn a_true_conversation_passes_whatever_order_is_not_promised() {
        assert_eq!(websocket(&[WELCOME, JOINED, PUBLISH, PUBLISHED, MESSAGE]), None);
        assert_eq!(websocket(&[WELCOME, JOINED, PUBLISH, MESSAGE, PUBLISHED]), None);
    }

    #[test]
    fn a_frame_that_the_page_does_not_show_fails() {
        fails(websocket(&[WELCOME, JOINED, PUBLISH, PUBLISHED]), "message");
    }

    #[test]
    fn a_frame_that_does_not_come_fails() {
        fails(replay(&page(&[WELCOME, JOINED, MESSAGE]), Duration::from_secs(1)).err(), "did not come");
    }

    #[test]
    fn a_member_too_many_or_too_few_fails_and_so_does_another_value() {
        let asked = "> {\"type\":\"ping\",\"id\":\"x\"}\n< ";
        let pong = |frame: &str| websocket(&[WELCOME, asked, frame]);
        assert_eq!(pong("{\"type\":\"pong\",\"id\":\"x\",\"now\":\"…\"}"), None);
        fails(pong("{\"type\":\"pong\",\"id\":\"x\",\"now\":\"…\",\"colour\":\"red\"}"), "did not come");
        fails(pong("{\"type\":\"pong\",\"id\":\"x\"}"), "the page does not show");
        fails(pong("{\"type\":\"pong\",\"id\":\"y\",\"now\":\"…\"}"), "\"y\"");
        fails(websocket(&[&WELCOME.replace("65536", "65537")]), "frame_bytes");
    }

    #[test]
    fn a_command_of_curl_has_to_print_what_the_page_shows() {
        let asked = "curl -si \"$A/v1/channels\"\n# HTTP/1.1 200 OK\n# cache-control: no-store\n#\n";
        assert_eq!(curl(&format!("{asked}# {{\"channels\":[],\n#    \"more\":false}}")), None);
        fails(curl(&format!("{asked}# {{\"channels\":[],\"more\":true}}")), ".more");
        fails(curl(&format!("{asked}# {{\"channels\":[]}}")), "\"more\" came");
        fails(curl(&asked.replace("200 OK", "201 Created")), "201 Created");
        fails(curl(&asked.replace("no-store", "no-cache")), "no-cache");
        fails(curl("curl -s \"$A/v1/channels\""), "was printed");
        fails(curl("curl -s \"$B/v1/channels\""), "$B was not set");
    }

    #[test]
    fn frames_that_are_not_played_fail() {
        fails(replay("```\n> {\"type\":\"ping\"}\n```", PATIENCE).err(), "mark it");
        fails(replay("```sh\ncurl -s http://a\n```", PATIENCE).err(), "mark it");
        fails(replay("say `{\"type\":\"ping\"}`", PATIENCE).err(), "no block of the page");
    }

    #[test]
    fn a_block_with_settings_has_a_server_of_its_own() {
        let page = "```websocket ann limits.frame_bytes=1000 limits.body_bytes=500\n".to_owned();
        let welcome = WELCOME.replace("65536", "1000").replace("32768", "500");
        assert_eq!(replay(&format!("{page}{welcome}```\n"), PATIENCE), Ok(1));
    }
}
