//! The worker that has channels let go what is not to be kept. It does what the sweep says, one thing at a time, and reads
//! the clock for it.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ArbiterHandle, AsyncContext, Context as Ctx, Handler};
use tokio::sync::oneshot;

use super::look::{Due, Page, Shelf};
use super::sweep::{Effect, Input, Sweep};
use crate::channel::{ChannelIn, Context, Directory, Order};
use crate::clock;
use crate::model::{ChannelName, Seq};
use crate::protocol::Problem;
use crate::store::{Head, MetaOp, ReadError, Size, Trimmed, size_key};
use crate::supervise::{Budget, Envelope, Keeper, Kind, Lasting, Life, Named, Panic, Post, named};

/// How long a trim may take before the next channel has its turn.
const PATIENCE: Duration = Duration::from_secs(600);

/// The worker's kind.
static RETENTION: Kind = Kind { name: "retention", messages: &[Back::NAMES], endings: Lasting::NAMES };

/// What came back, and in which life it was asked for.
enum Back {
    /// It is done.
    Done(u64, Input),
    /// It panicked.
    Broken(u64, Panic),
}

named!(Back: Done, Broken);

/// The worker.
pub struct Retention {
    keeper: Keeper<Sweep>,
    life: u64,
    context: Arc<Context>,
    directory: Arc<Directory>,
    own: Post<Back>,
}

impl Retention {
    /// Starts it on `arbiter`. Its fault point is `retention.step`, its probe of kind `retention`.
    pub fn start(arbiter: &ArbiterHandle, context: Arc<Context>, directory: Arc<Directory>) {
        Self::start_in_arbiter(arbiter, move |ctx| {
            let life = Life::begin(&context.probes.of(&RETENTION), "sweep".into());
            let every = context.config.retention.every;
            let own = Post::new(ctx.address().recipient(), life.vitals());
            let keeper = Keeper::new(life, Budget::default(), move || Sweep::new(every));
            Self { keeper, life: 1, context, directory, own }
        });
    }

    fn carry_out(&self, effect: Effect, ctx: &mut Ctx<Self>) {
        let (own, life) = (self.own.clone(), self.life);
        match effect {
            Effect::Later(wait) => {
                ctx.run_later(wait, move |_, _| own.send(Back::Done(life, Input::Due)));
            }
            Effect::Look(after, rest) => {
                let context = Arc::clone(&self.context);
                self.beside(async move {
                    tokio::time::sleep(rest).await;
                    let began = clock::moment();
                    let looked = look(&context, after).await;
                    Input::Looked(looked, clock::moment().since(began))
                });
            }
            Effect::Trim(Due { channel, of, below }) => {
                let (context, directory) = (Arc::clone(&self.context), Arc::clone(&self.directory));
                self.beside(async move {
                    let trimmed = tokio::time::timeout(PATIENCE, trim(&context, &directory, &channel, of, below)).await;
                    let late = |_| Err(Problem::unavailable("the channel gave no answer in time"));
                    Input::Trimmed(trimmed.unwrap_or_else(late))
                });
            }
        }
    }
}

impl Retention {
    /// Has work done beside the worker, which is told what came of it.
    fn beside(&self, work: impl Future<Output = Input> + 'static) {
        let (own, life) = (self.own.clone(), self.life);
        let broken = move |panic| Back::Broken(life, panic);
        self.own.beside(broken, async move { own.send(Back::Done(life, work.await)) });
    }
}

impl Actor for Retention {
    type Context = Ctx<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let effect = self.keeper.state().begin();
        self.carry_out(effect, ctx);
    }
}

impl Handler<Envelope<Back>> for Retention {
    type Result = ();

    fn handle(&mut self, envelope: Envelope<Back>, ctx: &mut Self::Context) {
        let (life, faults) = (self.life, &self.context.faults);
        let mut effect = None;
        let rebuilt = self.keeper.receive(envelope, |sweep, back| match back {
            Back::Done(of, input) if of == life => {
                faults.pass("retention.step");
                effect = Some(sweep.step(clock::moment(), input));
            }
            Back::Broken(of, panic) if of == life => panic.again(),
            // What an earlier life set in motion is nobody's any more.
            Back::Done(..) | Back::Broken(..) => {}
        });
        if rebuilt || self.keeper.is_down() {
            // Over its budget it comes back with the next sweep that is due.
            self.life += 1;
            effect = Some(self.keeper.state().begin());
        } else if let Some(tally) = self.keeper.state().ended.take() {
            let metrics = &self.context.metrics.retention;
            metrics.channels.inc_by(tally.channels);
            metrics.sweep_seconds.observe(tally.took.as_secs_f64());
            metrics.ended.set(clock::wall().0 as f64 / 1000.0);
        }
        if let Some(effect) = effect {
            self.carry_out(effect, ctx);
        }
    }
}

/// Looks at the channels that follow, and remembers what was counted.
async fn look(context: &Arc<Context>, after: Option<String>) -> Result<Page, ReadError> {
    let (shelf, now) = (Arc::clone(context), clock::wall());
    let looking = context.reads.run(move || {
        let (log, meta, config) = (&*shelf.log, &*shelf.meta, &shelf.config.retention);
        Shelf { log, meta, config, now }.look(after)
    });
    let mut page = looking.await?;
    let ops = std::mem::take(&mut page.sizes).into_iter().map(|(channel, size)| size.write(channel.as_str()));
    if !remember(context, ops.collect()).await {
        // It would be counted for ever, and no other channel be looked at.
        page.after = page.again.take().map(|channel| channel.as_str().to_owned()).or(page.after);
    }
    Ok(page)
}

/// Has a channel forget what lies below, and keeps the books; `of` is its log as it was when this was decided.
pub async fn trim(
    context: &Arc<Context>,
    directory: &Arc<Directory>,
    channel: &ChannelName,
    of: Head,
    below: Seq,
) -> Result<Trimmed, Problem> {
    let (tell, told) = oneshot::channel();
    let from = of.first;
    directory.send(channel, ChannelIn::Order(Order::Trim { of, below, tell }));
    let silent = |_| Err(Problem::unavailable("the channel broke off; ask again"));
    let trimmed = told.await.unwrap_or_else(silent)?;
    let metrics = &context.metrics.retention;
    metrics.messages.inc_by(trimmed.messages);
    metrics.bytes.inc_by(trimmed.bytes);
    // If another trim came between, what was counted holds no more.
    if trimmed.messages > 0 && from + trimmed.messages == trimmed.head.first {
        let (meta, key) = (Arc::clone(&context.meta), size_key(channel.as_str()));
        let record = context.reads.run(move || meta.get(&key)).await;
        let before = Head { first: from, ..trimmed.head.clone() };
        let counted = record.ok().flatten().and_then(|record| Size::read(&record.value, &before));
        if let Some(left) = counted.and_then(|size| size.without(trimmed.head.first, trimmed.bytes)) {
            remember(context, vec![left.write(channel.as_str())]).await;
        }
    }
    Ok(trimmed)
}

/// Writes down what was counted; says whether it is. If not it is counted again.
async fn remember(context: &Context, ops: Vec<MetaOp>) -> bool {
    if ops.is_empty() {
        return true;
    }
    let (tell, told) = oneshot::channel();
    context.meta.write(ops, Box::new(move |result| drop(tell.send(result))));
    let done = told.await;
    if let Ok(Err(error)) = &done {
        log::debug!("what was counted of channels could not be written down: {error}");
    }
    matches!(done, Ok(Ok(())))
}
