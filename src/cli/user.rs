//! `user`: accounts from the command line. Through the server that has the store, if one runs; else on the store itself.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use zeroize::Zeroizing;

use super::{FAILED, OK, REFUSED, STORE, say};
use crate::auth::{Gate, Login, Order, Password, Report, Row};
use crate::clock;
use crate::config::{Config, Engine};
use crate::model::Wall;
use crate::store::Store;
use crate::supervise::Probes;

/// The socket in the data directory that a running server takes orders at.
pub const CONTROL: &str = "control";
/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// What to do about accounts.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(super) enum UserCommand {
    /// Make an account, whatever `auth.registration` says
    Add {
        /// Its name
        name: String,
        /// Make it an operator's
        #[arg(long)]
        operator: bool,
        #[command(flatten)]
        from: From,
    },
    /// Name all accounts: name, role, state, when it was made
    List,
    /// Let nobody in by an account, void its tokens, and end its sessions
    Disable {
        /// Its name
        name: String,
    },
    /// Let its owner in again, by a new login
    Enable {
        /// Its name
        name: String,
    },
    /// Give an account another password, void its tokens, and end its sessions
    Password {
        /// Its name
        name: String,
        #[command(flatten)]
        from: From,
    },
    /// Make an account an operator's, or not
    Role {
        /// Its name
        name: String,
        /// What it is to be
        role: RoleName,
    },
    /// Make an invitation for where `auth.registration` is "invite", and print its code
    Invite {
        /// How many accounts may be made by it
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        uses: u32,
        /// For how many days
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
    },
}

/// Where a password comes from.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct From {
    /// Read the password from the first line of stdin, instead of asking for it on the terminal
    #[arg(long)]
    stdin: bool,
}

/// A role as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RoleName {
    /// An account like others
    Account,
    /// An operator
    Operator,
}

/// Why it was not done, and the exit code for it.
#[derive(Debug, PartialEq, Eq)]
struct Refused(u8, String);

/// Carries a command out and returns the exit code.
pub(super) fn run(config: &Config, command: UserCommand) -> u8 {
    match order(command).and_then(|order| carry_out(config, order)) {
        Ok(()) => OK,
        Err(Refused(code, why)) => {
            say(&why);
            code
        }
    }
}

/// What a command comes to, with the password that it takes.
fn order(command: UserCommand) -> Result<Order, Refused> {
    Ok(match command {
        UserCommand::Add { name, operator, from } => {
            Order::Add { password: password(&name, from)?, user: name, operator }
        }
        UserCommand::List => Order::List { after: None },
        UserCommand::Disable { name } => Order::Disable(name),
        UserCommand::Enable { name } => Order::Enable(name),
        UserCommand::Password { name, from } => Order::Password { password: password(&name, from)?, user: name },
        UserCommand::Role { name, role } => Order::Role { user: name, operator: role == RoleName::Operator },
        UserCommand::Invite { uses, days } => Order::Invite { uses, days },
    })
}

fn password(name: &str, from: From) -> Result<Password, Refused> {
    let refused = |why: String| Refused(REFUSED, why);
    if from.stdin {
        let mut line = String::new();
        let read = io::stdin().lock().take(64 << 10).read_line(&mut line);
        read.map_err(|why| refused(format!("no password on stdin: {why}")))?;
        line.truncate(line.trim_end_matches(['\r', '\n']).len());
        return Ok(Password::new(line));
    }
    let ask = |prompt: String| {
        let asked = rpassword::prompt_password(prompt);
        asked.map_err(|why| {
            refused(format!("no terminal to ask for the password on ({why}); --stdin reads it from there"))
        })
    };
    let (once, again) = (ask(format!("password for {name}: "))?, ask("again: ".into())?);
    let same = once == again;
    drop(Password::new(again));
    if same { Ok(Password::new(once)) } else { Err(refused("the two are not the same".into())) }
}

/// Has an order carried out, and prints what came of it. A list is asked for page by page.
fn carry_out(config: &Config, order: Order) -> Result<(), Refused> {
    let mut way = Way::find(config)?;
    let done = obeyed(&mut way, order);
    // The store ends in order, whatever came of it.
    let ended = way.end();
    done.and(ended)
}

fn obeyed(way: &mut Way<'_>, mut order: Order) -> Result<(), Refused> {
    loop {
        match way.obey(order)? {
            Report::Done => return Ok(()),
            Report::Code(code) => return print(&code),
            Report::Accounts(rows, more) => {
                rows.iter().try_for_each(|row| print(&line(row)))?;
                match rows.last().filter(|_| more) {
                    Some(last) => order = Order::List { after: Some(last.user.clone()) },
                    None => return Ok(()),
                }
            }
        }
    }
}

fn print(line: &str) -> Result<(), Refused> {
    writeln!(io::stdout(), "{line}").map_err(|why| Refused(FAILED, format!("cannot print: {why}")))
}

fn line(row: &Row) -> String {
    let role = if row.operator { "operator" } else { "account" };
    let state = if row.disabled { "disabled" } else { "enabled" };
    let login = match row.login {
        Login::Password => "password",
        Login::External => "external",
        Login::Token => "token",
    };
    format!("{}\t{role}\t{state}\t{login}\t{}", row.user, Wall(row.made))
}

/// How the store is reached.
enum Way<'a> {
    /// Through the server that has it.
    Server(&'a Path),
    /// Directly.
    Store(Box<Direct>),
}

struct Direct {
    store: Store,
    gate: Gate,
    runtime: tokio::runtime::Runtime,
}

impl<'a> Way<'a> {
    fn find(config: &'a Config) -> Result<Self, Refused> {
        let folder = &config.store.path;
        if config.store.engine == Engine::Memory {
            let why = "store.engine is \"memory\": its accounts are within the server, and nowhere else";
            return Err(Refused(REFUSED, why.into()));
        }
        if UnixStream::connect(folder.join(CONTROL)).is_ok() {
            return Ok(Self::Server(folder));
        }
        let store = Store::open(&config.store, &Probes::default()).map_err(|why| {
            let advice =
                "stop what has it open, or give the order to the server itself, as its user, with its configuration";
            Refused(STORE, format!("{why}; {advice}"))
        })?;
        let failed = |why: io::Error| Refused(FAILED, why.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let gate = Gate::new(config, store.meta(), Arc::new(|read| read()));
        let gate = gate.map_err(|why| Refused(REFUSED, why.to_string()))?;
        Ok(Self::Store(Box::new(Direct { store, gate, runtime })))
    }

    fn obey(&mut self, order: Order) -> Result<Report, Refused> {
        let failed = |why: String| Refused(FAILED, why);
        match self {
            Self::Server(folder) => {
                let text = serde_json::to_string(&order).map_err(|why| failed(why.to_string()))?;
                let text = Zeroizing::new(text);
                let answer = ask(&folder.join(CONTROL), &text);
                let answer = answer.map_err(|why| failed(format!("the server that runs did not answer: {why}")))?;
                let report: Result<Report, String> = serde_json::from_str(&answer)
                    .map_err(|_| failed("the server that runs does not know this order".into()))?;
                report.map_err(failed)
            }
            Self::Store(direct) => {
                let done = direct.runtime.block_on(direct.gate.obey(order, clock::wall()));
                done.map_err(|why| failed(why.to_string()))
            }
        }
    }

    fn end(self) -> Result<(), Refused> {
        match self {
            Self::Server(_) => Ok(()),
            Self::Store(direct) => {
                let Direct { store, gate, .. } = *direct;
                drop(gate);
                store.close().map_err(|why| Refused(FAILED, format!("the store did not close: {why}")))
            }
        }
    }
}

/// Says a line to the server, and returns the one that it answers.
fn ask(path: &Path, order: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(order.as_bytes())?;
    stream.write_all(b"\n")?;
    let mut answer = String::new();
    BufReader::new(stream.take(LONGEST)).read_line(&mut answer)?;
    Ok(answer)
}
