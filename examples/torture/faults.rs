//! Carries faults out, and writes down from when until when nothing is expected because of them.

use std::sync::Arc;
use std::time::Duration;

use parlor::checker::What;
use rustix::process::Signal;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::disk::Disk;
use crate::gate::Pace;
use crate::hostile;
use crate::plan::{ClientFault, Round, ServerFault, Timed};
use crate::process::Server;
use crate::scene::{Order, Scene};
use crate::support::http::{Http, Request};

/// How long a server may take to be ready after whatever was done to it.
const READY: Duration = Duration::from_secs(15);
/// How long an armed panic is waited for.
const STRIKE: Duration = Duration::from_secs(3);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Waits until the server says that it is ready.
pub async fn ready(scene: &Scene) -> Result<(), String> {
    let begun = Instant::now();
    let mut last = String::new();
    while begun.elapsed() < READY {
        let to = *scene.target.lock();
        let ask = async { Http::open(to, false).await?.exchange(&Request::get("/readyz")).await };
        match tokio::time::timeout(ms(2_000), ask).await {
            Ok(Ok(answer)) if answer.status == 200 => return Ok(()),
            Ok(Ok(answer)) => last = format!("{} {}", answer.status, answer.body),
            Ok(Err(why)) => last = why,
            Err(_) => "no answer".clone_into(&mut last),
        }
        sleep(ms(20)).await;
    }
    Err(format!("the server is not ready after {READY:?}: {last}"))
}

/// Sees whether the machine gets round to anything: this program, and the server, which is asked all the time.
pub async fn watch_machine(scene: Arc<Scene>) {
    loop {
        let begun = Instant::now();
        sleep(ms(50)).await;
        let lag = begun.elapsed();
        let to = *scene.target.lock();
        let ask = async { Http::open(to, false).await?.exchange(&Request::get("/healthz")).await };
        let answered = tokio::time::timeout(ms(2_000), ask).await.is_ok_and(|answer| answer.is_ok());
        let took = begun.elapsed();
        if took > ms(300) || !answered {
            scene
                .recorder
                .starved(format!("the machine is slow: {lag:?} instead of 50 ms, and an answer after {took:?}"));
        }
    }
}

/// A round's faults of the server, one after the other.
pub async fn on_server(scene: &Scene, server: &mut Server, disk: Option<&Disk>, round: &Round) -> Result<(), String> {
    let begun = Instant::now();
    for Timed { at, fault } in &round.server {
        sleep_until(begun + ms(*at)).await;
        if begun.elapsed() > ms(round.ms) {
            break;
        }
        alive(server)?;
        scene.recorder.fault(format!("fault: {fault}"));
        strike(scene, server, disk, fault).await.map_err(|why| format!("after {fault}: {why}"))?;
        alive(server)?;
    }
    sleep_until(begun + ms(round.ms)).await;
    alive(server)
}

fn alive(server: &mut Server) -> Result<(), String> {
    server.ended().map_or(Ok(()), |status| Err(format!("the server has ended by itself, with {status}")))
}

async fn strike(scene: &Scene, server: &mut Server, disk: Option<&Disk>, fault: &ServerFault) -> Result<(), String> {
    let recorder = &scene.recorder;
    match fault {
        ServerFault::Kill => {
            recorder.add(What::ServerDown);
            server.kill().await?;
            return back(scene, server).await;
        }
        ServerFault::Restart => {
            recorder.add(What::ServerDown);
            server.stop().await?;
            return back(scene, server).await;
        }
        _ => recorder.slow(),
    }
    match fault {
        ServerFault::Stop(time) => {
            server.signal(Signal::STOP)?;
            sleep(ms(*time)).await;
            server.signal(Signal::CONT)?;
        }
        ServerFault::Panic(place) => panic_at(scene, server, place).await?,
        ServerFault::Disk(sorts) => {
            for sort in *sorts {
                server.tell(&format!("disk {sort}")).await?;
            }
            sleep(ms(500)).await;
            server.tell("calm").await?;
        }
        ServerFault::Space(time) => {
            server.tell("space 0").await?;
            sleep(ms(*time)).await;
            server.tell("space -").await?;
        }
        ServerFault::Hold(time) => {
            server.tell("hold").await?;
            sleep(ms(*time)).await;
            server.tell("release").await?;
        }
        ServerFault::HoldPanic(place, time) => {
            server.tell("hold").await?;
            // Something is to be on its way by then.
            sleep(ms(*time / 2)).await;
            panic_at(scene, server, place).await?;
            sleep(ms(*time / 2)).await;
            server.tell("release").await?;
        }
        ServerFault::HoldKill(time) => {
            server.tell("hold").await?;
            sleep(ms(*time)).await;
            recorder.add(What::ServerDown);
            server.kill().await?;
            back(scene, server).await?;
        }
        ServerFault::Full(time) => {
            if let Some(disk) = disk {
                disk.fill()?;
                sleep(ms(*time)).await;
                disk.free()?;
            }
        }
        ServerFault::Kill | ServerFault::Restart => {}
    }
    ready(scene).await?;
    sleep(ms(400)).await;
    recorder.well();
    Ok(())
}

/// Has an actor panic, and waits until it has.
async fn panic_at(scene: &Scene, server: &mut Server, place: &str) -> Result<(), String> {
    server.tell(&format!("panic {place}")).await?;
    let armed = Instant::now();
    while server.tell("left").await? != "left 0" {
        if armed.elapsed() > STRIKE {
            // It must not strike when nobody expects it any more.
            scene.recorder.note("nobody came by there: killed instead");
            scene.recorder.add(What::ServerDown);
            server.kill().await?;
            return back(scene, server).await;
        }
        sleep(ms(20)).await;
    }
    Ok(())
}

/// Starts the server again.
async fn back(scene: &Scene, server: &mut Server) -> Result<(), String> {
    server.up().await?;
    ready(scene).await?;
    scene.recorder.add(What::ServerUp);
    Ok(())
}

/// A round's faults of clients, side by side. Returns when all of them are over.
pub async fn on_clients(scene: Arc<Scene>, round: Round, orders: Vec<mpsc::Sender<Order>>) {
    let begun = Instant::now();
    let mut under_way = JoinSet::new();
    for Timed { at, fault } in round.clients {
        sleep_until(begun + ms(at)).await;
        scene.recorder.fault(format!("fault: {fault}"));
        under_way.spawn(befall(Arc::clone(&scene), fault, orders.clone()));
    }
    sleep_until(begun + ms(round.ms)).await;
    while under_way.join_next().await.is_some() {}
}

async fn befall(scene: Arc<Scene>, fault: ClientFault, orders: Vec<mpsc::Sender<Order>>) {
    let recorder = &scene.recorder;
    match fault {
        ClientFault::Cut(whom, how) => {
            recorder.hamper(whom);
            scene.gates[whom].cut(how);
            sleep(ms(600)).await;
            recorder.ease(whom);
        }
        ClientFault::HalfOpen(whom, time) => {
            recorder.strand(whom);
            scene.gates[whom].strand(time);
        }
        ClientFault::Delay(whom, late, time) => paced(&scene, whom, Pace::Late(late), time, late).await,
        ClientFault::Throttle(whom, rate, time) => paced(&scene, whom, Pace::Rate(rate), time, 100).await,
        ClientFault::Jam(whom, time) => {
            recorder.hamper(whom);
            let _ = orders[whom].send(Order::Jam(true)).await;
            sleep(ms(time)).await;
            let _ = orders[whom].send(Order::Jam(false)).await;
            sleep(ms(500)).await;
            recorder.ease(whom);
        }
        ClientFault::Vanish(whom) => {
            recorder.strand(whom);
            let _ = orders[whom].send(Order::Vanish(4_000)).await;
        }
        ClientFault::Hostile(manner) => {
            let to = *scene.target.lock();
            hostile::visit(to, manner, scene.plan.channels.clone()).await;
        }
    }
}

/// Has the network carry slowly for a while, and then waits until what was held up is through.
async fn paced(scene: &Scene, whom: usize, pace: Pace, time: u64, late: u64) {
    scene.recorder.hamper(whom);
    scene.gates[whom].pace(pace);
    sleep(ms(time)).await;
    scene.gates[whom].pace(Pace::Free);
    sleep(ms(late + 600)).await;
    scene.recorder.ease(whom);
}
