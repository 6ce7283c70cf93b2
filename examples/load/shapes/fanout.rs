//! Publishers and many who hear them: what a delivery costs, and how long it takes.

use serde_json::json;

use crate::args::{Common, Fanout};
use crate::check::Track;
use crate::crowd::{Seat, gather};
use crate::report::Report;
use crate::shapes::posts::{Pace, Posts, Publisher};
use crate::shapes::setting::Setting;
use crate::stage;
use crate::usage::Sample;

/// Runs it.
pub fn run(common: &Common, fanout: &Fanout) -> Result<Report, String> {
    let Fanout { channels, subscribers, publishers, apart, inflight, inflight_all, rate } = *fanout;
    if channels == 0 || subscribers == 0 || publishers == 0 || (!apart && publishers > subscribers) {
        return Err(
            "a channel needs a subscriber and a publisher; publishers beyond the subscribers need --apart".into()
        );
    }
    let pace = match (rate, inflight_all) {
        (Some(rate), _) => Pace::Rate(rate),
        (None, Some(all)) => Pace::All(all),
        (None, None) => Pace::Each(inflight),
    };
    let outstanding = u64::from(inflight.max(inflight_all.unwrap_or(0)).max(1024));
    let setting = Setting::new(common, channels, &[("limits.outstanding", outstanding)])?;
    let Setting { server, mut net, names, writer } = setting;
    let before = Sample::take(server.pid);
    let mut seats: Vec<_> = (0..channels * subscribers).map(|place| Seat::hears(place / subscribers)).collect();
    if apart {
        seats.extend((0..channels * publishers).map(|_| Seat::default()));
    }
    let sessions = gather(&mut net, &writer, seats, common.members)?;
    let (offset, stride) = if apart { (channels * subscribers, publishers) } else { (0, subscribers) };
    // One of each channel, then the second of each: turns go round the channels.
    let publisher = |place: u32| {
        let channel = place % channels;
        Publisher { who: (offset + channel * stride + place / channels) as usize, channel }
    };
    let publishers_all: Vec<_> = (0..channels * publishers).map(publisher).collect();
    let hears = |session: &crate::crowd::Session| {
        session.joined.first().map(|joined| (joined.channel, Track::from(joined.next)))
    };
    let hears = sessions.iter().map(hears).collect();
    let mut posts = Posts::new(names, writer, publishers_all, hears, channels, subscribers, pace)?;
    let measured = stage::run(&mut net, &mut posts, common, server.pid)?;
    posts.end(measured.settled);
    let options = json!({
        "channels": channels, "subscribers": subscribers, "publishers": publishers, "apart": apart,
        "inflight": matches!(pace, Pace::Each(_)).then_some(inflight), "inflight_all": inflight_all, "rate": rate,
        "text": common.text, "seconds": common.seconds, "warmup": common.warmup,
    });
    let mut report = Report::new("fanout", server.name, options);
    report.figure("deliveries_per_second", posts.heard as f64 / measured.used.seconds, 0, "/s");
    report.figure("messages_per_second", posts.receipts as f64 / measured.used.seconds, 0, "/s");
    posts.tell(&mut report, &before, &measured);
    drop(net);
    server.stop()?;
    Ok(report)
}
