//! Messages on disk: what a receipt, a page of history and a join cost beside them, what reading across all of them
//! leaves in memory, what they take on the disk, and how long a start takes.

use crate::args::Common;
use crate::crowd::{Seat, gather};
use crate::ending::Home;
use crate::frames::Names;
use crate::growth::asks::{Ask, Asks, PAGE, Place, places};
use crate::growth::fill::fill;
use crate::growth::point::Point;
use crate::server::{End, Server};
use crate::shapes::setting::Setting;
use crate::usage::rss;

/// They are spread over so many channels.
const CHANNELS: u32 = 64;
/// Publishes a second.
const RATE: f64 = 200.0;
/// The newest messages that are asked for.
const NEWEST: u64 = 50;
/// How far a cursor is behind.
const BEHIND: u64 = 20;
/// At most so many messages are read when all is read across; of more, evenly spread pages.
const ACROSS: u64 = 2_000_000;

/// Measures with so many, which were written so many together.
pub fn measure(common: &Common, count: u64, together: u64) -> Result<Point, String> {
    let (names, home) = (Names::new(), Home::new(common.target.data.as_deref())?);
    let since = std::time::Instant::now();
    fill(home.path(), &names, CHANNELS, count, together, common.text)?;
    let mut point = Point::default();
    point.figure("written_together", together as f64);
    point.figure("filled_per_second", count as f64 / since.elapsed().as_secs_f64());
    let settings = Setting::settings(&[("limits.outstanding", 1024)]);
    // Its first start tidies up what the fill left; what counts is a start after a server's own clean stop.
    let mut server = Server::start_in(home, &common.target, &settings)?;
    let clean = server.again(End::Clean)?;
    point.figure("start_clean_ms", clean.as_secs_f64() * 1e3);
    let Setting { mut server, mut net, names, writer } = Setting::on(server, names, common, CHANNELS)?;
    let pid = server.pid.ok_or("the server's process is not known")?;
    point.figure("memory_started_bytes", rss(pid).unwrap_or(0) as f64);
    point.figure("disk_bytes", server.bytes_on_disk() as f64);
    let looks = vec![Seat { join: (0..CHANNELS).collect(), leave: true }];
    let found = places(&gather(&mut net, &writer, looks, false)?, CHANNELS);
    let there: u64 = found.iter().map(|place| place.head).sum();
    if there != count {
        return Err(format!("of {count} messages that were written the server knows {there}"));
    }
    let mut asks = Asks::new(&mut net, names, writer, found)?;
    asks.once(&mut net, Ask::Newest(NEWEST))?;
    asks.run(&mut net, common, Ask::Newest(NEWEST), &mut point, "newest")?;
    asks.once(&mut net, Ask::Join(BEHIND))?;
    asks.run(&mut net, common, Ask::Join(BEHIND), &mut point, "join")?;
    asks.read = 0;
    let pages = across(&asks);
    let took = asks.once(&mut net, Ask::Pages(pages))?;
    point.figure("read_per_second", asks.read as f64 / took);
    point.figure("read_across", asks.read as f64);
    point.figure("memory_read_bytes", rss(pid).unwrap_or(0) as f64);
    asks.run(&mut net, common, Ask::Publish(RATE), &mut point, "receipt")?;
    point.faults(&asks.faults);
    drop(net);
    let killed = server.again(End::Killed)?;
    point.figure("start_killed_ms", killed.as_secs_f64() * 1e3);
    server.stop()?;
    Ok(point)
}

/// Pages over all that there is, or evenly spread ones if that is too much; the channels take turns.
fn across(asks: &Asks) -> Vec<(u32, u64)> {
    let all: u64 = asks.places.iter().map(|place| place.head).sum();
    let step = PAGE * all.div_ceil(ACROSS).max(1);
    let of = |(place, channel): (&Place, u32)| {
        (0..place.head).step_by(step as usize).map(move |after| (after, channel)).collect::<Vec<_>>()
    };
    let mut pages: Vec<_> = asks.places.iter().zip(0..).flat_map(of).collect();
    pages.sort_unstable();
    pages.into_iter().map(|(after, channel)| (channel, after)).collect()
}
