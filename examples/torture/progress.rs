//! How far it is, for people: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use crate::recorder::Counts;
use crate::scene::Scene;

/// Shows how far it is.
pub struct Progress {
    bar: Option<ProgressBar>,
}

/// Something that goes on until this is dropped.
pub struct Ticking(JoinHandle<()>);

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Progress {
    /// For so many legs.
    pub fn new(legs: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(legs);
            let style = ProgressStyle::with_template("{elapsed_precise} {wide_bar} leg {pos} of {len}\n{msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar }
    }

    /// Says a line, above the bar if there is one.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => println!("{line}"),
        }
    }

    /// A leg is over.
    pub fn leg(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    /// A round begins.
    pub fn round(&self, scene: &Arc<Scene>, n: usize, of: usize) -> Ticking {
        let seed = scene.plan.seed;
        let head = format!("seed {seed}, round {} of {of}", n + 1);
        let Some(bar) = self.bar.clone() else {
            println!("  {head}");
            return Ticking(tokio::spawn(async {}));
        };
        let scene = Arc::clone(scene);
        Ticking(tokio::spawn(async move {
            loop {
                bar.set_message(format!("{head}: {}", words(scene.recorder.counts())));
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }))
    }
}

/// Counts in words.
pub fn words(counts: Counts) -> String {
    format!(
        "{} sessions, {} commands, {} receipts and {} duplicates, {} deliveries, {} changes of presence, {} refusals, {} faults",
        counts.sessions,
        counts.commands,
        counts.receipts,
        counts.duplicates,
        counts.deliveries,
        counts.presence,
        counts.refusals,
        counts.faults
    )
}
