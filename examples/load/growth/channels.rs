//! Channels that exist, nearly all of them asleep: what a publish to one of them costs, a join, and the memory.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::args::Common;
use crate::crowd::{Seat, gather};
use crate::floor::scan::number;
use crate::growth::asks::{Ask, Asks, places};
use crate::growth::point::Point;
use crate::shapes::setting::Setting;
use crate::usage::rss;

/// A session makes so many channels, and so many sessions do at a time.
const EACH: usize = 200;
const AT_ONCE: usize = 16;
/// A channel that nobody hears sleeps after this, in milliseconds, so that what is awake at a time is bounded.
const IDLE_MS: u64 = 1000;
/// How long falling asleep may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Publishes a second.
const RATE: f64 = 200.0;

/// Measures with so many.
pub fn measure(common: &Common, count: u64) -> Result<Point, String> {
    let count = u32::try_from(count).map_err(|_| "there cannot be so many channels".to_owned())?;
    let settings = [("limits.outstanding", 1024), ("channels.idle_ms", IDLE_MS)];
    let Setting { server, mut net, names, writer } = Setting::new(common, count, &settings)?;
    let pid = server.pid.ok_or("the server's process is not known")?;
    let (empty, begun) = (rss(pid).unwrap_or(0), net.clock.now());
    let all: Vec<_> = (0..count).collect();
    let mut places_all = places(&[], count);
    for part in all.chunks(EACH * AT_ONCE) {
        let seats = part.chunks(EACH).map(|part| Seat { join: part.to_vec(), leave: true }).collect();
        let first = net.len();
        let sessions = gather(&mut net, &writer, seats, false)?;
        for joined in sessions.iter().flat_map(|session| &session.joined) {
            places_all[joined.channel as usize].epoch.clone_from(&joined.epoch);
        }
        (first..net.len()).for_each(|founder| net.cut(founder));
    }
    let mut point = Point::default();
    point.figure("made_per_second", f64::from(count) * 1e6 / (net.clock.now() - begun).max(1) as f64);
    point.figure("memory_made_bytes", rss(pid).unwrap_or(0) as f64);
    let since = Instant::now();
    while awake(server.address)? > 0 {
        if since.elapsed() > PATIENCE {
            return Err(format!("the channels do not fall asleep within {} s", PATIENCE.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let asleep = rss(pid).unwrap_or(0);
    point.figure("memory_bytes", asleep as f64);
    point.figure("memory_each_bytes", asleep.saturating_sub(empty) as f64 / f64::from(count));
    let mut asks = Asks::new(&mut net, names, writer, places_all)?;
    asks.run(&mut net, common, Ask::Publish(RATE), &mut point, "receipt")?;
    point.figure("awake", awake(server.address)? as f64);
    asks.run(&mut net, common, Ask::Join(0), &mut point, "join")?;
    point.figure("memory_used_bytes", rss(pid).unwrap_or(0) as f64);
    point.figure("disk_bytes", server.bytes_on_disk() as f64);
    point.faults(&asks.faults);
    drop(net);
    server.stop()?;
    Ok(point)
}

/// How many channels the server says are awake.
fn awake(server: SocketAddr) -> Result<u64, String> {
    let scrape = || {
        let mut stream = TcpStream::connect(server)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: load\r\nConnection: close\r\n\r\n")?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text).map(|_| text)
    };
    let text = scrape().map_err(|why: std::io::Error| format!("no metrics: {why}"))?;
    number(&text, b"\nparlor_channels_active ").ok_or("the metrics do not say how many channels are active".to_owned())
}
