//! The tests: traces of different lives, and their images.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::PoisonError;

use crate::image::Mode;
use crate::tries::{self, Moments, Play, Try};
use crate::{child, image, layout, trace};

/// SIGKILL, which is how a sudden end of the traced program ends.
const KILLED: Option<i32> = Some(9);

/// The program whose file operations are traced; the other tests start it.
#[test]
#[ignore = "the other tests start it"]
fn traced() {
    child::run();
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn seed() -> u64 {
    number("PARLOR_POWER_SEED").unwrap_or_else(|| parlor::clock::wall().0.unsigned_abs())
}

/// How many images to draw, of which the suite does with `few`.
fn images(few: usize) -> usize {
    number("PARLOR_POWER_IMAGES").map_or(few, |count| count as usize)
}

/// Where a trace is written, and kept with what failed: among what cargo builds.
fn keep(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("power").join(name)
}

fn shim() -> PathBuf {
    let own = std::env::current_exe().expect("this test is a file");
    let built = own.parent().and_then(Path::parent).expect("it is built into a folder in a folder");
    let path = built.join("examples/libpower_shim.so");
    assert!(path.is_file(), "{} is not there: run cargo build --examples", path.display());
    path
}

/// Runs lives, parted by a blank where a process ends with an abort and another goes on; gives the bytes of the trace.
fn record(name: &str, lives: &str, seed: u64, variables: &[(&str, &str)]) -> Vec<u8> {
    if let Some(path) = std::env::var_os("PARLOR_POWER_TRACE") {
        return fs::read(path).expect("the trace of before");
    }
    let folder = tries::fresh(&keep(name)).canonicalize().expect("a folder");
    let watched = folder.join("watched");
    fs::create_dir(&watched).expect("a folder");
    let to = folder.join("trace");
    for (n, part) in lives.split(' ').enumerate() {
        let mut command = Command::new(std::env::current_exe().expect("this test is a file"));
        command.args(["--ignored", "--exact", "scenes::traced", "--nocapture", "--test-threads=1"]);
        command.env("LD_PRELOAD", shim()).env(layout::WATCH, &watched).env(layout::TRACE, &to);
        command.env(child::LIVES, part).env(child::SEED, (seed % 1_000_000 + n as u64).to_string());
        command.envs(variables.iter().copied()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = {
            let _alone = tries::HANDS.write().unwrap_or_else(PoisonError::into_inner);
            command.spawn().expect("the traced program runs")
        };
        let output = child.wait_with_output().expect("the traced program ends");
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        let well = output.status.success() || part.ends_with("abort") && output.status.signal() == KILLED;
        assert!(well, "{}: {said}", output.status);
    }
    let bytes = fs::read(to).expect("the trace");
    nothing_escaped(&trace::read(&bytes), &watched);
    bytes
}

/// What the trace comes to, played to its end, is what is in the folder: nothing escaped the shim.
fn nothing_escaped(steps: &[trace::Step<'_>], watched: &Path) {
    let mut play = Play::new(steps);
    play.until(steps.len());
    let copy = tempfile::tempdir().expect("a folder");
    image::of(&play.disk, Mode::Everything, 0).write(copy.path()).expect("an image");
    let (mut played, mut real) = (contents(copy.path()), contents(watched));
    // The marks are in the trace, and no part of the image.
    for all in [&mut played, &mut real] {
        all.remove(Path::new("marks"));
    }
    assert!(played.keys().eq(real.keys()), "{:?} and {:?}", played.keys(), real.keys());
    let other = played.iter().find(|(path, content)| real[*path] != **content);
    assert_eq!(other.map(|(path, _)| path), None, "is another in the folder than in the trace");
}

fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut open) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            let content = if path.is_dir() { Vec::new() } else { fs::read(&path).expect("a file") };
            if path.is_dir() {
                open.push(path.clone());
            }
            found.insert(path.strip_prefix(folder).expect("below it").to_owned(), content);
        }
    }
    found
}

/// Traces some lives, and tries the images of it that are chosen: none may fail.
fn all_kept(name: &str, lives: &str, choose: impl FnOnce(&Moments, u64) -> Vec<Try>) {
    let seed = seed();
    let bytes = record(name, lives, seed, &[]);
    let steps = trace::read(&bytes);
    println!("{name}: PARLOR_POWER_SEED={seed}, {} steps, {} bytes", steps.len(), bytes.len());
    let tally = tries::run(name, &steps, choose(&Moments::of(&steps), seed), &keep(name));
    println!("{name}: {tally}");
    assert!(tally.tried() > 0, "no image was tried");
    let first: Vec<_> = tally.failed.iter().take(10).collect();
    let again = format!("PARLOR_POWER_SEED={seed} PARLOR_POWER_TRACE={}", keep(name).join("trace").display());
    assert!(tally.failed.is_empty(), "{again}\n{tally}: {first:#?}");
    swept(name);
}

/// A trace is large: it goes, unless it was made by hand.
fn swept(name: &str) {
    if number("PARLOR_POWER_IMAGES").is_none() && std::env::var_os("PARLOR_POWER_TRACE").is_none() {
        let _ = fs::remove_dir_all(keep(name));
    }
}

#[test]
fn a_crash_while_a_store_is_made_or_opened_loses_nothing() {
    let lives = "mixed:always:20:close,mixed:always:30:drop,mixed:interval:30:close,mixed:always:40:abort mixed:always:10:close";
    let all = number("PARLOR_POWER_IMAGES").is_some();
    all_kept("openings", lives, |moments, seed| moments.openings(if all { usize::MAX } else { 140 }, seed));
}

#[test]
fn what_was_acknowledged_survives_the_loss_of_power() {
    let lives = "mixed:always:150:close,mixed:always:120:drop,mixed:always:150:abort mixed:always:100:close";
    all_kept("always", lives, |moments, seed| moments.draw(images(100), seed));
}

#[test]
fn what_is_handed_to_sled_beside_the_writer_survives_the_loss_of_power() {
    let lives = "settling:always:200:close,settling:always:150:drop,settling:interval:100:close,settling:always:200:abort \
        settling:always:60:close";
    all_kept("settling", lives, |moments, seed| {
        [moments.draw(images(80), seed), moments.names(images(40), seed)].concat()
    });
}

#[test]
fn with_interval_what_was_lost_shows_in_the_epoch() {
    let lives = "mixed:interval:200:close,mixed:interval:120:abort mixed:interval:150:abort mixed:always:30:close";
    all_kept("interval", lives, |moments, seed| moments.draw(images(70), seed));
}

#[test]
fn large_writes_survive_the_loss_of_power() {
    let lives = "heavy:always:100:abort heavy:always:40:close";
    all_kept("large", lives, |moments, seed| moments.draw(images(30), seed));
}

/// With `interval`, and next to no syncs: what was synced is not torn by what was not.
#[test]
fn many_writes_without_a_sync_harm_nothing_from_before() {
    let lives = "heavy:late:120:abort heavy:late:60:close";
    all_kept("late", lives, |moments, seed| moments.draw(images(45), seed));
}

#[test]
fn a_sync_that_is_left_out_is_found() {
    let seed = seed();
    let bytes = record("planted", "mixed:always:60:close", seed, &[("PARLOR_PLANTED", "skipped-sync")]);
    let steps = trace::read(&bytes);
    let told = Moments::of(&steps).told;
    let tries = told.iter().step_by(told.len() / 20 + 1).map(|&steps| Try { steps, mode: Mode::Nothing, seed: 0 });
    let tally = tries::run("planted", &steps, tries.collect(), &keep("planted"));
    println!("planted: {tally}");
    let lost = tally.failed.iter().filter(|(_, why)| why.contains("as it cannot have been")).count();
    assert!(lost > tally.tried() / 2, "PARLOR_POWER_SEED={seed}: the fault that was planted was not found: {tally}");
    swept("planted");
}
