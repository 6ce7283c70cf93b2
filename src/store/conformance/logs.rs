//! Cases of the channels' logs.

use super::{Case, NOON, Outcome, Rig, append, batch, create, ensure, same, seqs, wait};
use crate::model::{ChannelName, Hour, Key, Kind, Message, UserName, Wall};
use crate::store::{AppendError, ReadError, Trimmed};

pub(super) const CASES: &[Case] = &[
    ("a channel is made once and made again is the same", made_once),
    ("an append follows the head or tells where the head is", conflicts),
    ("places have no gap and time does not go back", no_gap),
    ("pages give what was asked for and no more", pages),
    ("an hour begins at its first kept message", hours),
    ("keys are found and unread messages counted", keys_and_unread),
    ("channels are listed in order, page by page", listing),
    ("a trim forgets the front and the chain goes on from its anchor", trims),
    ("a long log is trimmed whole", long_trim),
    ("an erased body is gone and the chain still verifies", redaction),
    ("a deleted channel is gone and comes back with another epoch", deletion),
    ("large messages are kept and too large ones refused", large),
    ("a batch is there wholly after reopening, and the epoch is the same", persistence),
    ("many appenders to many channels lose nothing", crowd),
];

fn name(text: &str) -> Result<ChannelName, crate::model::NameError> {
    ChannelName::stored(text)
}

fn made_once(rig: &Rig) -> Outcome {
    let store = rig.open()?;
    let (log, general) = (store.log(), name("general")?);
    same!(log.head(&general)?, None, "an unknown channel");
    same!(log.range(&general, 1, 9, 9, 9), Err(ReadError::NoChannel), "a page of it");
    let head = create(&*log, &general)?;
    same!((head.seq, head.first), (0, 1), "an empty log");
    same!(create(&*log, &general)?, head, "the second creation");
    same!(log.head(&general)?, Some(head.clone()), "its head");
    ensure!(create(&*log, &name("other")?)?.epoch != head.epoch, "expected an epoch of its own");
    same!(log.tail(&general, 5)?, Vec::new(), "its tail");
    same!(append(&*log, &name("no")?, &head, batch(1, 1, "")), Err(AppendError::NoChannel), "an append to nothing");
    Ok(store.close()?)
}

fn conflicts(rig: &Rig) -> Outcome {
    let store = rig.open()?;
    let (log, general) = (store.log(), name("general")?);
    let empty = create(&*log, &general)?;
    let head = append(&*log, &general, &empty, batch(1, 3, "a"))?;
    same!(head.seq, 3, "the head");
    same!(append(&*log, &general, &empty, batch(1, 1, "b")), Err(AppendError::Conflict(head.clone())), "an old head");
    let mut forged = head.clone();
    forged.hash = [9; 16];
    same!(
        append(&*log, &general, &forged, batch(4, 4, "b")),
        Err(AppendError::Conflict(head.clone())),
        "another chain"
    );
    let mut forged = head.clone();
    forged.token += 1;
    same!(
        append(&*log, &general, &forged, batch(4, 4, "b")),
        Err(AppendError::Conflict(head.clone())),
        "another token"
    );
    same!(append(&*log, &general, &head, Vec::new()), Ok(head.clone()), "an empty batch");
    same!(append(&*log, &general, &head, batch(4, 4, "b"))?.seq, 4, "the next");
    same!(seqs(&log.tail(&general, 9)?), vec![1, 2, 3, 4], "what is there");
    Ok(store.close()?)
}

fn no_gap(rig: &Rig) -> Outcome {
    let store = rig.open()?;
    let (log, general) = (store.log(), name("general")?);
    let empty = create(&*log, &general)?;
    let head = append(&*log, &general, &empty, batch(1, 2, "a"))?;
    let mut holed = batch(3, 5, "b");
    holed.remove(1);
    same!(append(&*log, &general, &head, holed), Err(AppendError::Conflict(head.clone())), "a hole");
    same!(append(&*log, &general, &head, batch(4, 4, "b")), Err(AppendError::Conflict(head.clone())), "a leap");
    let mut back = batch(3, 3, "b");
    back[0].at = Wall(NOON.0);
    same!(append(&*log, &general, &head, back), Err(AppendError::Conflict(head.clone())), "a step back in time");
    let mut still = batch(3, 3, "b");
    still[0].at = head.at;
    same!(append(&*log, &general, &head, still)?.at, head.at, "the same time");
    Ok(store.close()?)
}

fn pages(rig: &Rig) -> Outcome {
    let store = rig.open()?;
    let (log, general) = (store.log(), name("general")?);
    let mut head = create(&*log, &general)?;
    for from in (1..200).step_by(20) {
        head = append(&*log, &general, &head, batch(from, from + 19, "words"))?;
    }
    same!(log.range(&general, 1, 200, 500, usize::MAX)?, batch(1, 200, "words"), "all of it");
    same!(seqs(&log.range(&general, 15, 25, 500, usize::MAX)?), (15..=25).collect::<Vec<_>>(), "over a boundary");
    same!(seqs(&log.range(&general, 150, 999, 3, usize::MAX)?), vec![150, 151, 152], "at most three");
    same!(seqs(&log.range(&general, 199, 999, 9, usize::MAX)?), vec![199, 200], "past the head");
    same!(seqs(&log.range(&general, 0, 2, 9, usize::MAX)?), vec![1, 2], "from nothing");
    same!(seqs(&log.range(&general, 201, u64::MAX, 9, 9)?), Vec::<u64>::new(), "beyond");
    same!(seqs(&log.range(&general, 9, 8, 9, 9)?), Vec::<u64>::new(), "a range turned round");
    same!(seqs(&log.range(&general, 10, 99, 99, 0)?), vec![10], "no bytes, but one");
    same!(seqs(&log.range(&general, 10, 99, 99, 16 * 3)?), vec![10, 11, 12], "three bodies' bytes");
    same!(seqs(&log.tail(&general, 3)?), vec![198, 199, 200], "the tail");
    same!(seqs(&log.tail(&general, 0)?), Vec::<u64>::new(), "no tail");
    same!(log.tail(&general, 1000)?.len(), 200, "a long tail");
    Ok(store.close()?)
}

fn hours(rig: &Rig) -> Outcome {
    let store = rig.open()?;
    let (log, general) = (store.log(), name("general")?);
    let mut head = create(&*log, &general)?;
    let at =
        |seq: u64, hour: i64| batch(seq, seq, "a").pop().map(|m| Message { at: Wall(NOON.0 + hour * 3_600_000), ..m });
    let noon = NOON.hour().0;
    let batches = [vec![at(1, 0), at(2, 0), at(3, 1)], vec![at(4, 1)], vec![at(5, 3), at(6, 3)]];
    for batch in batches {
        head = append(&*log, &general, &head, batch.into_iter().flatten().collect())?;
    }
    let first = |hour: u32| log.first_of_hour(&general, Hour(hour));
    let found = [first(noon - 1)?, first(noon)?, first(noon + 1)?, first(noon + 2)?, first(noon + 3)?];
    same!(found, [None, Some(1), Some(3), None, Some(5)], "the hours");
    let kept = || log.hours(&general, 9);
    same!(
        kept()?,
        [(noon, 1), (noon + 1, 3), (noon + 3, 5)].map(|(hour, seq)| (Hour(hour), seq)).to_vec(),
        "all of them"
    );
    same!(log.hours(&general, 2)?.len(), 2, "two of them");
    wait(|done| log.trim(&general, 4, done))?;
    same!(kept()?, [(noon + 1, 4), (noon + 3, 5)].map(|(hour, seq)| (Hour(hour), seq)).to_vec(), "those that are kept");
    same!([first(noon)?, first(noon + 1)?, first(noon + 3)?], [None, Some(4), Some(5)], "after a trim");
    wait(|done| log.trim(&general, 7, done))?;
    same!(kept()?, Vec::new(), "none");
    same!([first(noon + 1)?, first(noon + 3)?], [None, None], "with nothing kept");
    append(&*log, &general, &head, at(7, 3).into_iter().collect())?;
    same!(first(noon + 3)?, Some(7), "the same hour again");
    Ok(store.close()?)
}

fn keys_and_unread(rig: &Rig) -> Outcome {
    let store = rig.open()?;
    let (log, general) = (store.log(), name("general")?);
    let head = create(&*log, &general)?;
    let (ann, bob) = (UserName::parse("ann")?, UserName::parse("bob")?);
    let mut messages = batch(1, 10, "a");
    messages[3].kind = Kind::new("x-poll");
    messages[4].from = bob.clone();
    messages[6].key = Key::new("k3");
    append(&*log, &general, &head, messages)?;
    let key = Key::new("k3").ok_or("a key")?;
    same!(log.find(&general, &ann, &key, 1, 10)?, Some(3), "its first use");
    same!(log.find(&general, &ann, &key, 4, 10)?, Some(7), "its use from there on");
    same!(log.find(&general, &ann, &key, 4, 6)?, None, "none in between");
    same!(log.find(&general, &bob, &key, 1, 99)?, None, "none by another");
    same!(log.unread(&general, &bob, 0, 1000)?.count, 8, "unread by bob");
    same!(log.unread(&general, &ann, 0, 1000)?.count, 1, "unread by ann");
    same!(log.unread(&general, &bob, 8, 1000)?.count, 2, "above a place");
    same!(log.unread(&general, &bob, 0, 5)?.count, 5, "no further than the cap");
    same!(log.unread(&general, &ann, 0, 1000)?.looked_at, 10, "all are looked at");
    same!(log.unread(&general, &bob, u64::MAX, 5)?.count, 0, "above everything");
    Ok(store.close()?)
}

fn listing(rig: &Rig) -> Outcome {
    let store = rig.open()?;
    let log = store.log();
    same!(log.channels(None, 9)?, Vec::new(), "no channels");
    let mut names = (0..25).map(|n| name(&format!("c{n}"))).collect::<Result<Vec<_>, _>>()?;
    names.push(name("@ann:bob")?);
    for channel in &names {
        let head = create(&*log, channel)?;
        append(&*log, channel, &head, batch(1, 2, "a"))?;
    }
    names.sort();
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = log.channels(after.as_ref(), 7)?;
        ensure!(page.len() <= 7 && page.iter().all(|(_, head)| head.seq == 2), "expected pages of 7 heads at 2");
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        found.extend(page.into_iter().map(|(name, _)| name));
    }
    same!(found, names, "all of them");
    same!(log.names(true, "", None, 99)?, Vec::new(), "none is private");
    let all: Vec<_> = log.channels(None, 99)?.into_iter().map(|(name, _)| name).collect();
    same!(log.all_names(None, 99)?, all, "all names");
    same!(log.all_names(Some(all[1].as_str()), 2)?, all[2..4].to_vec(), "a page of them");
    let all = log.names(false, "", None, 99)?;
    same!(all, names.iter().filter(|name| name.parties().is_none()).cloned().collect::<Vec<_>>(), "all but one");
    let some = |names: &[&str]| names.iter().map(|text| name(text)).collect::<Result<Vec<_>, _>>();
    same!(log.names(false, "c1", Some("c10"), 2)?, some(&["c11", "c12"])?, "a page of those that begin so");
    let deleted = name("c11")?;
    wait(|done| log.delete(&deleted, done))?;
    same!(log.names(false, "c1", Some("c10"), 1)?, some(&["c12"])?, "a deleted one is not named");
    Ok(store.close()?)
}

fn trims(rig: &Rig) -> Outcome {
    let store = rig.open()?;
    let (log, general) = (store.log(), name("general")?);
    let mut head = create(&*log, &general)?;
    for from in (1..100).step_by(10) {
        head = append(&*log, &general, &head, batch(from, from + 9, "a"))?;
    }
    let Trimmed { head: trimmed, messages, bytes } = wait(|done| log.trim(&general, 35, done))?;
    let bodies: usize = batch(1, 34, "a").iter().map(|message| message.body.len()).sum();
    same!((messages, bytes), (34, bodies as u64), "what is gone");
    same!((trimmed.first, trimmed.seq, trimmed.hash), (35, 100, head.hash), "the head after a trim");
    same!(trimmed.epoch, head.epoch, "its epoch");
    same!(log.range(&general, 1, 36, 99, usize::MAX)?, batch(35, 36, "a"), "what is kept");
    same!(store.verify(&general)?, trimmed, "the verified head");
    let nothing = Trimmed { head: trimmed, messages: 0, bytes: 0 };
    same!(wait(|done| log.trim(&general, 10, done))?, nothing, "a trim of what is gone");
    let head = append(&*log, &general, &head, batch(101, 101, "a"))?;
    let all = wait(|done| log.trim(&general, u64::MAX, done))?.head;
    same!((all.first, all.seq, all.at, all.hash), (102, 101, head.at, head.hash), "with nothing kept");
    store.close()?;
    let store = rig.open()?;
    same!(store.log().head(&general)?, Some(all.clone()), "after reopening");
    append(&*store.log(), &general, &all, batch(102, 103, "a"))?;
    same!(store.verify(&general)?.seq, 103, "the chain from the anchor");
    Ok(store.close()?)
}

fn long_trim(rig: &Rig) -> Outcome {
    let store = rig.open()?;
    let (log, general) = (store.log(), name("general")?);
    let mut head = create(&*log, &general)?;
    for seq in 1..=600 {
        let (tell, told) = std::sync::mpsc::channel();
        log.append(&general, &head, batch(seq, seq, "a"), Box::new(move |outcome| drop(tell.send(outcome))));
        head = told.recv()??;
    }
    let Trimmed { head: trimmed, messages, .. } = wait(|done| log.trim(&general, 590, done))?;
    same!((trimmed.first, messages), (590, 589), "the first kept");
    same!(seqs(&log.range(&general, 1, u64::MAX, 99, usize::MAX)?), (590..=600).collect::<Vec<_>>(), "what is kept");
    same!(store.verify(&general)?, trimmed, "the verified head");
    Ok(store.close()?)
}

fn redaction(rig: &Rig) -> Outcome {
    let store = rig.open()?;
    let (log, general) = (store.log(), name("general")?);
    let head = create(&*log, &general)?;
    let head = append(&*log, &general, &head, batch(1, 5, "secret"))?;
    same!(wait(|done| log.redact(&general, 3, done))?, head, "the head after it");
    wait(|done| log.redact(&general, 3, done))?;
    let bodies: Vec<_> = log.tail(&general, 9)?.into_iter().map(|m| m.body.to_string()).collect();
    let kept = r#"{"text":"secret"}"#;
    same!(bodies, [kept, kept, "{}", kept, kept], "the bodies");
    same!(store.verify(&general)?, head, "the verified head");
    same!(wait(|done| log.redact(&general, 6, done)), Err(AppendError::Conflict(head.clone())), "what is not there");
    same!(log.find(&general, &UserName::parse("ann")?, &Key::new("k3").ok_or("key")?, 1, 9)?, Some(3), "its key");
    append(&*log, &general, &head, batch(6, 6, "a"))?;
    same!(store.verify(&general)?.seq, 6, "the chain goes on");
    Ok(store.close()?)
}

fn deletion(rig: &Rig) -> Outcome {
    let store = rig.open()?;
    let (log, general) = (store.log(), name("general")?);
    let head = create(&*log, &general)?;
    let head = append(&*log, &general, &head, batch(1, 30, "a"))?;
    wait(|done| log.delete(&general, done))?;
    same!(log.head(&general)?, None, "a deleted channel");
    same!(log.tail(&general, 9), Err(ReadError::NoChannel), "its tail");
    same!(append(&*log, &general, &head, batch(31, 31, "a")), Err(AppendError::NoChannel), "an append to it");
    same!(wait(|done| log.delete(&general, done)), Err(AppendError::NoChannel), "deleting it again");
    let again = create(&*log, &general)?;
    ensure!(again.epoch != head.epoch && again.token != head.token, "expected another epoch and another token");
    same!((again.seq, log.tail(&general, 9)?.len()), (0, 0), "the new log");
    same!(
        append(&*log, &general, &head, batch(31, 31, "a")),
        Err(AppendError::Conflict(again.clone())),
        "the old head"
    );
    append(&*log, &general, &again, batch(1, 1, "new"))?;
    store.close()?;
    let store = rig.open()?;
    same!(store.log().tail(&general, 9)?, batch(1, 1, "new"), "after reopening");
    Ok(store.close()?)
}

fn large(rig: &Rig) -> Outcome {
    let store = rig.open()?;
    let (log, general) = (store.log(), name("general")?);
    let head = create(&*log, &general)?;
    let sizes = [65_000, 10, 10, 8_200, 20_000, 1];
    let messages: Vec<_> = sizes.iter().zip(1..).flat_map(|(&size, seq)| batch(seq, seq, &"x".repeat(size))).collect();
    let head = append(&*log, &general, &head, messages.clone())?;
    same!(log.tail(&general, 9)? == messages, true, "what was written");
    let huge = batch(7, 7, &"x".repeat(65_536));
    let size = huge[0].body.len();
    same!(append(&*log, &general, &head, huge), Err(AppendError::TooLarge(size)), "one too large");
    same!(append(&*log, &general, &head, batch(7, 7, "x"))?.seq, 7, "the next");
    same!(store.verify(&general)?.seq, 7, "the verified head");
    Ok(store.close()?)
}

fn persistence(rig: &Rig) -> Outcome {
    let store = rig.open()?;
    let (general, boot) = (name("general")?, store.boot());
    let empty = create(&*store.log(), &general)?;
    let head = append(&*store.log(), &general, &empty, batch(1, 40, "a"))?;
    store.close()?;
    for later in 1..=2 {
        let store = rig.open()?;
        same!(store.boot(), boot + later, "the boot");
        same!(store.log().head(&general)?, Some(head.clone()), "the head");
        same!(store.log().tail(&general, 99)?, batch(1, 40, "a"), "the messages");
        if later == 2 {
            append(&*store.log(), &general, &head, batch(41, 41, "a"))?;
            same!(store.verify(&general)?.seq, 41, "the chain");
            store.close()?;
        }
        // The first is dropped, as in a crash.
    }
    Ok(())
}

fn crowd(rig: &Rig) -> Outcome {
    const EACH: u64 = 40;
    let store = rig.open()?;
    let log = store.log();
    std::thread::scope(|scope| -> Result<(), AppendError> {
        let work = |n: usize| {
            let log = &log;
            move || -> Result<(), AppendError> {
                let Ok(channel) = name(&format!("c{}", n % 4)) else { return Ok(()) };
                let mut head = create(&**log, &channel)?;
                let mut done = 0;
                // Two writers a channel: each loses races and tries again at the head that it is told.
                while done < EACH {
                    match append(&**log, &channel, &head, batch(head.seq + 1, head.seq + 2, "a")) {
                        Ok(next) => (head, done) = (next, done + 1),
                        Err(AppendError::Conflict(now)) => head = now,
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            }
        };
        let threads: Vec<_> = (0..8).map(|n| scope.spawn(work(n))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Err(AppendError::Unknown)))
    })?;
    for n in 0..4 {
        let channel = name(&format!("c{n}"))?;
        same!(store.verify(&channel)?.seq, 4 * EACH, "the head");
        same!(seqs(&log.tail(&channel, 999)?), (1..=4 * EACH).collect::<Vec<_>>(), "the places");
    }
    Ok(store.close()?)
}
