//! Many who hear one channel over long-poll, and a publisher: what a delivery by poll costs.

use mio::Events;
use serde_json::json;

use crate::args::{Common, Longpoll};
use crate::check::Track;
use crate::crowd::{Seat, gather};
use crate::net::{Net, Play};
use crate::pollers::Pollers;
use crate::report::Report;
use crate::shapes::posts::{Pace, Posts, Publisher};
use crate::shapes::setting::Setting;
use crate::stage::{self, Course, Traffic};
use crate::usage::Sample;

struct Polled {
    posts: Posts,
    pollers: Pollers,
}

impl Play for Polled {
    fn opened(&mut self, _net: &mut Net, _who: usize) {}

    fn frame(&mut self, net: &mut Net, who: usize, frame: &[u8], now: u64) {
        self.posts.frame(net, who, frame, now);
    }

    fn answer(&mut self, net: &mut Net, who: usize, status: u16, body: &[u8], now: u64) {
        let posts = &mut self.posts;
        let each = |net: &mut Net, frame: &[u8]| posts.polled(net, who, frame, now);
        if let Err(why) = self.pollers.answer(net, who, status, body, each) {
            self.posts.faults.add("refused", 1, || why);
        }
    }

    fn ended(&mut self, net: &mut Net, who: usize, why: &str) {
        self.posts.ended(net, who, why);
    }
}

impl Traffic for Polled {
    fn due(&mut self, net: &mut Net, now: u64) -> Option<u64> {
        self.posts.due(net, now)
    }

    fn measure(&mut self, on: bool, now: u64) {
        if on {
            self.pollers.answers = 0;
        }
        self.posts.measure(on, now);
    }

    fn course(&mut self) -> &mut Course {
        self.posts.course()
    }
}

/// Runs it.
pub fn run(common: &Common, longpoll: &Longpoll) -> Result<Report, String> {
    let Longpoll { clients, inflight } = *longpoll;
    if common.target.floor || common.target.floor_append {
        return Err("the bare server speaks no long-poll".into());
    }
    let Setting { server, mut net, names, writer } = Setting::new(common, 1, &[("limits.outstanding", 1024)])?;
    let before = Sample::take(server.pid);
    gather(&mut net, &writer, vec![Seat::default()], false)?;
    let channels = vec![vec![0]; clients as usize];
    let pollers = Pollers::open(&mut net, &writer, &channels).map_err(|why| format!("no connection: {why}"))?;
    let publisher = Publisher { who: 0, channel: 0 };
    let hears = std::iter::once(None).chain((0..clients).map(|_| Some((0, Track::from(1))))).collect();
    let posts = Posts::new(names, writer, vec![publisher], hears, 1, clients, Pace::Each(inflight))?;
    let mut polled = Polled { posts, pollers };
    let (mut events, patience) = (Events::with_capacity(1024), net.clock.now() + 20_000_000);
    while polled.pollers.inside < clients as usize {
        let now = net.clock.now();
        if now > patience || !polled.posts.faults.is_empty() {
            return Err(format!("the clients do not come in: {}", polled.posts.faults.lines().join("; ")));
        }
        net.turn(&mut polled, &mut events, now + 100_000).map_err(|why| format!("the poll fails: {why}"))?;
    }
    let measured = stage::run(&mut net, &mut polled, common, server.pid)?;
    let answers = polled.pollers.answers;
    let mut posts = polled.posts;
    posts.end(measured.settled);
    let options = json!({
        "clients": clients, "inflight": inflight, "text": common.text, "seconds": common.seconds,
        "warmup": common.warmup,
    });
    let mut report = Report::new("longpoll", server.name, options);
    report.figure("deliveries_per_second", posts.heard as f64 / measured.used.seconds, 0, "/s");
    report.figure("answers_per_second", answers as f64 / measured.used.seconds, 0, "/s");
    posts.tell(&mut report, &before, &measured);
    drop(net);
    server.stop()?;
    Ok(report)
}
