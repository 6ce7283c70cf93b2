//! Publishers that wait for their receipts, and nobody who hears them: what a durable message costs.

use serde_json::json;

use crate::args::{Common, Receipts};
use crate::crowd::{Seat, gather};
use crate::report::Report;
use crate::shapes::posts::{Pace, Posts, Publisher};
use crate::shapes::setting::Setting;
use crate::stage;
use crate::usage::Sample;

/// Runs it.
pub fn run(common: &Common, receipts: &Receipts) -> Result<Report, String> {
    let Receipts { publishers, channels, inflight, rate } = *receipts;
    if publishers == 0 || channels == 0 {
        return Err("there is nothing to do without publishers and channels".into());
    }
    let pace = rate.map_or(Pace::Each(inflight), Pace::Rate);
    let settings = [("limits.outstanding", u64::from(inflight.max(1024)))];
    let Setting { server, mut net, names, writer } = Setting::new(common, channels, &settings)?;
    let before = Sample::take(server.pid);
    // A publish makes no channel: someone has to have been there. Everybody else only says hello.
    let founder = Seat { join: (0..channels).collect(), leave: true };
    let founders = founder.join.chunks(200).map(|part| Seat { join: part.to_vec(), leave: true });
    let mut seats: Vec<_> = founders.collect();
    let first = seats.len();
    seats.extend((0..publishers).map(|_| Seat::default()));
    gather(&mut net, &writer, seats, common.members)?;
    (0..first).for_each(|founder| net.cut(founder));
    let publisher = |place: u32| Publisher { who: first + place as usize, channel: place % channels };
    let publishers_all = (0..publishers).map(publisher).collect();
    let hears = vec![None; first + publishers as usize];
    let mut posts = Posts::new(names, writer, publishers_all, hears, channels, 0, pace)?;
    let measured = stage::run(&mut net, &mut posts, common, server.pid)?;
    posts.end(measured.settled);
    let options = json!({
        "publishers": publishers, "channels": channels, "inflight": rate.is_none().then_some(inflight), "rate": rate,
        "text": common.text, "seconds": common.seconds, "warmup": common.warmup,
    });
    let mut report = Report::new("receipts", server.name, options);
    report.figure("receipts_per_second", posts.receipts as f64 / measured.used.seconds, 0, "/s");
    report.count("receipts", posts.receipts);
    report.used(&measured.used, posts.receipts, "receipt");
    report.memory(&before, &measured.after);
    report.times("receipt", &posts.receipt);
    report.faults(&posts.faults);
    drop(net);
    server.stop()?;
    Ok(report)
}
