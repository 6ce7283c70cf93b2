//! What is asked of the client, carried out.

use std::future::{Future, poll_fn};
use std::task::Poll;

use parlor::client::{Client, Error, Publishing, Start};
use tokio::task::{JoinSet, unconstrained};

use crate::desk::{Answer, Ask};

/// How many names are asked for at once.
const NAMES: usize = 1000;

/// Begins it; the answer will be among the others. What is typed is begun in its order.
pub async fn begin(client: &Client, ask: Ask, under_way: &mut JoinSet<Answer>) {
    // Words have their place among the others when they are accepted, which is at once, connected or not.
    let accepted = match &ask {
        Ask::Say(_, channel, text) => Some(client.say(channel, text).await),
        _ => None,
    };
    // Begun from here, even if tokio would have this task make way for others now; a task of its own waits for the end.
    let mut work = Box::pin(unconstrained(carry_out(client.clone(), ask, accepted)));
    match poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
        Poll::Ready(answer) => under_way.spawn(async move { answer }),
        Poll::Pending => under_way.spawn(work),
    };
}

async fn carry_out(client: Client, ask: Ask, accepted: Option<Result<Publishing, Error>>) -> Answer {
    match ask {
        Ask::Say(number, ..) => {
            let outcome = match accepted {
                Some(Ok(publishing)) => publishing.await.map(drop),
                Some(Err(why)) => Err(why),
                None => Ok(()),
            };
            Answer::Sent(number, outcome)
        }
        Ask::Join(channel) => {
            let outcome = client.join(&channel, Start::Stood).await.map(drop);
            Answer::Joined(channel, outcome)
        }
        Ask::Leave(channel) => {
            let outcome = client.leave(&channel).await;
            Answer::Left(channel, outcome)
        }
        Ask::Page(channel, before, limit) => {
            let page = client.history(&channel, None, before, limit).await;
            Answer::Page(channel, page)
        }
        Ask::Who(channel) => {
            let who = client.who(&channel, None, NAMES).await;
            Answer::Who(channel, who)
        }
        Ask::Presence(users) => Answer::Presence(client.presence(&refs(&users)).await),
        Ask::Watch(users, channel) => {
            let rows = client.watch(&refs(&users), channel.as_deref()).await;
            Answer::Watching(users, channel, rows)
        }
        Ask::Unwatch(users, channel) => Answer::Unwatched(client.unwatch(&refs(&users), channel.as_deref()).await),
        Ask::Read(channel, seq) => {
            let outcome = client.read(&channel, seq).await;
            Answer::Read(channel, outcome)
        }
        Ask::Channels => Answer::Channels(client.channels(None, NAMES).await),
        Ask::Raw(frame) => Answer::Raw(client.command(frame).await),
        Ask::Typing(channel) => {
            // Whether it was told is of no interest.
            let _ = client.typing(&channel).await;
            Answer::Nothing
        }
    }
}

fn refs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}
