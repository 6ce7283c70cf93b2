//! Subscribers of one channel: how much is delivered when much is on its way, and how long a message takes when it is
//! alone, to most of them and to the last one.

use crate::args::Common;
use crate::check::Track;
use crate::crowd::{Seat, Session, gather};
use crate::frames::{Names, Writer};
use crate::growth::point::Point;
use crate::net::{Net, Play};
use crate::report::{Times, times};
use crate::shapes::posts::{Pace, Posts, Publisher};
use crate::shapes::setting::Setting;
use crate::stage::{self, Course, Traffic};

/// On their way, for how much can be delivered.
const MANY: u32 = 8;

/// One at a time are few if many hear them: they get so many times as long.
const LONGER: f64 = 2.0;

/// One message at a time, and when the last one had it.
struct Alone {
    posts: Posts,
    /// When the one on its way was sent.
    since: u64,
    last: Times,
}

impl Play for Alone {
    fn opened(&mut self, _net: &mut Net, _who: usize) {}

    fn frame(&mut self, net: &mut Net, who: usize, frame: &[u8], now: u64) {
        let sent = self.posts.sent();
        self.posts.frame(net, who, frame, now);
        // The next one is sent when everyone has this one.
        if self.posts.sent() > sent {
            let now = net.clock.now();
            let counts = self.course().window;
            if counts.has(self.since) {
                self.last.saturating_record(now.saturating_sub(self.since));
            }
            self.since = now;
        }
    }

    fn ended(&mut self, net: &mut Net, who: usize, why: &str) {
        self.posts.ended(net, who, why);
    }
}

impl Traffic for Alone {
    fn due(&mut self, net: &mut Net, now: u64) -> Option<u64> {
        self.posts.due(net, now)
    }

    fn course(&mut self) -> &mut Course {
        self.posts.course()
    }
}

/// Measures with so many.
pub fn measure(common: &Common, count: u64) -> Result<Point, String> {
    let count = u32::try_from(count).map_err(|_| "there cannot be so many subscribers".to_owned())?;
    // Each hears two channels of that size, so that both phases begin with an empty one.
    let setting = Setting::new(common, 2, &[("limits.outstanding", 1024)])?;
    let Setting { server, mut net, names, writer } = setting;
    let seats = (0..count).map(|_| Seat { join: vec![0, 1], leave: false }).collect();
    let sessions = gather(&mut net, &writer, seats, common.members)?;
    let mut point = Point::default();
    let mut many = posts(common, &names, &sessions, 0, MANY)?;
    let measured = stage::run(&mut net, &mut many, common, server.pid)?;
    many.end(measured.settled);
    point.figure("deliveries_per_second", many.heard as f64 / measured.used.seconds);
    if many.heard > 0 {
        point.figure("server_cpu_us_per_delivery", measured.used.server * 1e6 / many.heard as f64);
        point.figure("generator_cpu_us_per_delivery", measured.used.own * 1e6 / many.heard as f64);
    }
    point.figure("generator_was_the_bottleneck", f64::from(u8::from(measured.used.own_is_narrow())));
    point.times("many_delivery", &many.delivery);
    let alone = posts(common, &names, &sessions, 1, 1)?;
    let since = net.clock.now();
    let mut alone = Alone { posts: alone, since, last: times()? };
    let longer = Common { seconds: common.seconds * LONGER, ..common.clone() };
    let measured = stage::run(&mut net, &mut alone, &longer, server.pid)?;
    alone.posts.end(measured.settled);
    point.times("receipt", &alone.posts.receipt);
    point.times("delivery", &alone.posts.delivery);
    point.times("last", &alone.last);
    point.faults(&many.faults);
    point.faults(&alone.posts.faults);
    drop(net);
    server.stop()?;
    Ok(point)
}

/// The first of them publishes to one of their channels, so many messages at a time.
fn posts(common: &Common, names: &Names, sessions: &[Session], channel: u32, inflight: u32) -> Result<Posts, String> {
    let hears = |session: &Session| {
        let joined = session.joined.iter().find(|joined| joined.channel == channel)?;
        Some((channel, Track::from(joined.next)))
    };
    let writer = Writer::new(names, 2, common.text, common.keys);
    let hears = sessions.iter().map(hears).collect();
    let publishers = vec![Publisher { who: 0, channel }];
    Posts::new(names.clone(), writer, publishers, hears, 2, sessions.len() as u32, Pace::Each(inflight))
}
