//! The registry in a real actix system, with hubs that write down what they are told.

use tokio::sync::mpsc;

use super::*;
use crate::auth::memory_meta::MemoryMeta;
use crate::model::{Conn, Secret, UserName};
use crate::presence::{Asker, Reason, Row, Seen, State};
use crate::supervise::{Kind, Lasting, Named};

const LONG: Duration = Duration::from_secs(3_600);

static EAR: Kind = Kind { name: "hub", messages: &[ToHub::NAMES], endings: Lasting::NAMES };

/// A hub that only listens.
struct Ear {
    keeper: Keeper<mpsc::UnboundedSender<ToHub>>,
}

impl Actor for Ear {
    type Context = Context<Self>;
}

impl Handler<Envelope<ToHub>> for Ear {
    type Result = ();

    fn handle(&mut self, envelope: Envelope<ToHub>, _: &mut Self::Context) {
        self.keeper.receive(envelope, |heard, message| heard.send(message).unwrap());
    }
}

struct Hub {
    id: HubId,
    post: Post<ToHub>,
    heard: mpsc::UnboundedReceiver<ToHub>,
    registry: Post<RegistryIn>,
}

impl Hub {
    fn start(id: u32, registry: &Post<RegistryIn>) -> Self {
        let (tell, heard) = mpsc::unbounded_channel();
        let life = Life::begin(&Probes::default().of(&EAR), "ear".into());
        let vitals = Arc::clone(life.vitals());
        let keeper = Keeper::new(life, Budget::default(), move || tell.clone());
        let post = Post::new(Ear { keeper }.start().recipient(), &vitals);
        let hub = Self { id: HubId(id), post, heard, registry: registry.clone() };
        hub.introduce();
        hub
    }

    fn introduce(&self) {
        self.registry.send(RegistryIn::Hub { hub: self.id, post: self.post.clone() });
    }

    /// The next thing that this hub is told.
    async fn next(&mut self) -> ToHub {
        tokio::time::timeout(Duration::from_secs(10), self.heard.recv()).await.expect("told within 10 s").unwrap()
    }

    async fn asked_to_report(&mut self) -> u64 {
        match self.next().await {
            ToHub::Report { incarnation } => incarnation,
            other => panic!("expected to be asked for a report, was told {other:?}"),
        }
    }

    async fn changed(&mut self) -> (UserName, State, Option<Reason>) {
        match self.next().await {
            ToHub::Changed { row, reason, .. } => (row.user, row.state, reason),
            other => panic!("expected a change, was told {other:?}"),
        }
    }

    async fn ask(&mut self, users: &[&UserName], watch: bool) -> Vec<Row> {
        let users = users.iter().map(|&user| (user.clone(), None)).collect();
        let asker = Asker { conn: conn(0), ticket: 7 };
        self.registry.send(RegistryIn::Ask { hub: self.id, asker, users, watch });
        match self.next().await {
            ToHub::Answer { asker: answered, rows } if answered == asker => rows,
            other => panic!("expected the answer, was told {other:?}"),
        }
    }

    fn report(&self, incarnation: u64, sessions: Vec<Seen>, interest: &[&UserName]) {
        let interest = interest.iter().map(|&user| user.clone()).collect();
        self.registry.send(RegistryIn::Report { hub: self.id, incarnation, sessions, interest });
    }
}

fn user(text: &str) -> UserName {
    UserName::parse(text).unwrap()
}

fn conn(count: u64) -> Conn {
    Conn { boot: 1, count }
}

fn seen(user: &UserName, count: u64) -> Seen {
    Seen {
        user: user.clone(),
        conn: conn(count),
        sid: Secret::new(HubId(0), [count as u8; 32]).sid(),
        heard: clock::moment(),
    }
}

struct Bench {
    handle: RegistryHandle,
    meta: Arc<MemoryMeta>,
    faults: Faults,
    metrics: metrics::Metrics,
    probes: Probes,
}

fn bench(timeout: Duration, sweep: Duration) -> Bench {
    let (meta, faults, probes) = (Arc::new(MemoryMeta::default()), Faults::default(), Probes::default());
    let metrics = metrics::Metrics::new().unwrap();
    let config = config::Presence { heartbeat: timeout / 3, timeout, sweep };
    let handle = Registry::start(
        &Arbiter::new().handle(),
        &config,
        Arc::clone(&meta) as _,
        &probes,
        &faults,
        &metrics.presence,
        &Sight::default(),
    );
    Bench { handle, meta, faults, metrics, probes }
}

/// Two hubs, that have introduced themselves and reported nothing.
async fn two_hubs(registry: &Post<RegistryIn>) -> (Hub, Hub) {
    let mut hubs = (Hub::start(0, registry), Hub::start(1, registry));
    for hub in [&mut hubs.0, &mut hubs.1] {
        let incarnation = hub.asked_to_report().await;
        hub.report(incarnation, vec![], &[]);
    }
    hubs
}

#[actix::test]
async fn after_a_panic_users_are_unknown_until_every_hub_has_reported_and_nobody_is_told_offline() {
    for place in ["registry.beat", "registry.sweep"] {
        let bench = bench(LONG, LONG);
        let registry = bench.handle.post();
        let (mut a, mut b) = two_hubs(&registry).await;
        let (ann, bob) = (user("ann"), user("bob"));
        registry.send(RegistryIn::Up { hub: b.id, seen: seen(&ann, 1) });
        registry.send(RegistryIn::Up { hub: b.id, seen: seen(&bob, 2) });
        let states = |rows: Vec<Row>| rows.iter().map(|row| row.state).collect::<Vec<_>>();
        assert_eq!(states(a.ask(&[&ann, &bob], true).await), [State::Online, State::Online]);

        bench.faults.arm(place);
        registry.send(RegistryIn::Beat { hub: b.id, seen: seen(&ann, 1) });
        registry.send(RegistryIn::Sweep);
        assert_eq!((a.asked_to_report().await, b.asked_to_report().await), (2, 2));
        let mut after = states(a.ask(&[&bob], false).await);
        assert_eq!(after, [State::Unknown]);

        a.report(2, vec![], &[&ann, &bob]);
        after = states(a.ask(&[&bob], false).await);
        assert_eq!(after, [State::Unknown]);
        b.report(2, vec![seen(&ann, 1), seen(&bob, 2)], &[]);
        // Whether ann's beat came before the panic or after it, the hub ends up with the truth, and is never told
        // that one of them went.
        for expected in [&ann, &bob] {
            let mut told = a.changed().await;
            while told.0 != *expected {
                assert_eq!(told.1, State::Online);
                told = a.changed().await;
            }
            assert_eq!((told.1, told.2), (State::Online, None));
        }
        let shown = bench.probes.of(&PRESENCE).snapshot();
        assert_eq!((shown.panics, shown.restarts, shown.live), (1, 1, 1));
        bench.handle.stop().await;
        while let Ok(told) = a.heard.try_recv() {
            assert!(matches!(&told, ToHub::Changed { row, .. } if row.state == State::Online), "{told:?}");
        }
    }
}

#[actix::test]
async fn a_hub_that_comes_while_the_registry_recovers_is_asked_to_report_too() {
    let bench = bench(LONG, LONG);
    let registry = bench.handle.post();
    let (_a, _b) = two_hubs(&registry).await;
    bench.faults.arm("registry.beat");
    registry.send(RegistryIn::Beat { hub: HubId(0), seen: seen(&user("ann"), 1) });
    let mut late = Hub::start(2, &registry);
    assert_eq!(late.asked_to_report().await, 2);
    bench.handle.stop().await;
}

#[actix::test]
async fn the_timer_reaps_the_silent_and_tells_their_hub_and_their_watchers() {
    let bench = bench(Duration::from_millis(60), Duration::from_millis(10));
    let registry = bench.handle.post();
    let (mut a, mut b) = two_hubs(&registry).await;
    let ann = user("ann");
    a.ask(&[&ann], true).await;
    registry.send(RegistryIn::Up { hub: b.id, seen: seen(&ann, 1) });
    assert_eq!(a.changed().await, (ann.clone(), State::Online, None));
    assert_eq!(b.next().await, ToHub::Reap(vec![conn(1)]));
    assert_eq!(a.changed().await, (ann, State::Offline, Some(Reason::Timeout)));
    assert_eq!(bench.metrics.presence.reaped.get(), 1);
    bench.handle.stop().await;
}

#[actix::test]
async fn stopping_writes_when_everyone_was_last_seen_those_who_stay_included() {
    let bench = bench(LONG, LONG);
    let registry = bench.handle.post();
    let (ann, bob) = (user("ann"), user("bob"));
    registry.send(RegistryIn::Up { hub: HubId(0), seen: seen(&ann, 1) });
    registry.send(RegistryIn::Up { hub: HubId(0), seen: seen(&bob, 2) });
    registry.send(RegistryIn::Down { user: ann, conn: conn(1), reason: Reason::Drained });
    let (tell, told) = oneshot::channel();
    registry.send(RegistryIn::Online { after: None, max: 10, tell });
    assert_eq!(told.await.unwrap().list, [bob]);
    assert_eq!(bench.metrics.presence.online_users.get(), 1);
    bench.handle.stop().await;
    for key in ["seen/ann", "seen/bob"] {
        let text = bench.meta.text(key).unwrap();
        let at = crate::presence::parse_last_seen(text.as_bytes()).unwrap();
        assert!((clock::wall().0 - at.0).abs() < 60_000, "{key} is {at}");
    }
}

#[actix::test]
async fn a_registry_that_panics_too_often_rests_and_says_so() {
    let bench = bench(LONG, LONG);
    let registry = bench.handle.post();
    let probe = bench.probes.of(&PRESENCE);
    let resting = || probe.snapshot().resting > 0;
    for _ in 0..=Budget::default().restarts {
        assert!(!resting());
        bench.faults.arm("registry.beat");
        registry.send(RegistryIn::Beat { hub: HubId(0), seen: seen(&user("ann"), 1) });
        // Answered, or dropped by one who rests: either way the beat has been dealt with.
        let (tell, told) = oneshot::channel();
        registry.send(RegistryIn::Online { after: None, max: 1, tell });
        drop(told.await);
    }
    assert!(resting());
    bench.handle.stop().await;
}
