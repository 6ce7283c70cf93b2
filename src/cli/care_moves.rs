//! Data taken elsewhere, and brought: backup and restore, export and import.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::care::{Refused, folder, look, print, progress, rows, summary};
use super::care_server::lines;
use super::{FAILED, OK, REFUSED};
use crate::care::{self, Order, Scope, Stop};
use crate::clock;
use crate::config::Config;
use crate::model::ChannelName;
use crate::store::{OpenError, Rows, SledRows, keys};

/// Which backup becomes the data directory.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub(super) struct RestoreArgs {
    /// The backup
    file: PathBuf,
    /// Look through what was restored, as `verify` does, and compare how much there is
    #[arg(long)]
    verify: bool,
}

/// What is written where.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub(super) struct ExportArgs {
    /// A channel, instead of all; may be given more than once
    #[arg(long = "channel", value_name = "NAME")]
    channels: Vec<String>,
    /// The file, or - for stdout
    #[arg(default_value = "-")]
    file: PathBuf,
}

/// A file that takes its name when it is whole and on disk; readable by its owner alone.
struct Draft {
    file: File,
    draft: PathBuf,
    path: PathBuf,
}

impl Draft {
    fn new(path: &Path) -> Result<Self, Refused> {
        let mut draft = path.as_os_str().to_owned();
        draft.push(".partial");
        let draft = PathBuf::from(draft);
        let open = || {
            // What was there may belong to somebody else, or lead elsewhere.
            match fs::remove_file(&draft) {
                Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
                _ => {}
            }
            OpenOptions::new().create_new(true).write(true).mode(0o600).open(&draft)
        };
        let file = open().map_err(|why| Refused(FAILED, format!("{}: {why}", draft.display())))?;
        Ok(Self { file, draft, path: path.to_owned() })
    }

    fn keep(&self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.draft, &self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// `backup`.
pub(super) fn backup(config: &Config, path: &Path) -> Result<u8, Refused> {
    let draft = Draft::new(path)?;
    let done = write_backup(config, &draft);
    if done.is_err() {
        let _ = fs::remove_file(&draft.draft);
    }
    done
}

fn write_backup(config: &Config, draft: &Draft) -> Result<u8, Refused> {
    let bar = progress("lines written");
    let mut out = GzEncoder::new(BufWriter::with_capacity(256 << 10, &draft.file), Compression::fast());
    lines(config, Order::Backup, &mut |line| {
        bar.inc(1);
        Ok(out.write_all(line.as_bytes())?)
    })?;
    out.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    bar.set_message("bytes read back");
    bar.set_position(0);
    let passed = bar.clone();
    let whole = care::check(&draft.draft, move |bytes| passed.inc(bytes))?;
    bar.finish_and_clear();
    draft.keep()?;
    let bytes = draft.file.metadata()?.len();
    let records = whole.said.records;
    print(&format!("{} channels, {} messages, {records} records; {bytes} bytes", whole.channels, whole.messages))?;
    Ok(OK)
}

/// `restore`.
pub(super) fn restore(config: &Config, args: &RestoreArgs) -> Result<u8, Refused> {
    let to = folder(config)?;
    // Before the file is read, which may take long.
    if SledRows::is_there(to) {
        return Err(OpenError::Taken(to.display().to_string()).into());
    }
    let bar = progress("bytes read");
    let counter = || {
        let bar = bar.clone();
        move |bytes| bar.inc(bytes)
    };
    let whole = care::check(&args.file, counter())?;
    bar.set_position(0);
    bar.set_message("bytes restored");
    care::restore(&args.file, &whole, to, config.store.cache_bytes, counter())??;
    bar.finish_and_clear();
    print(&format!("{} channels, {} messages restored", whole.channels, whole.messages))?;
    if !args.verify {
        return Ok(OK);
    }
    let (counts, faults) = look(&rows(config)?, &Scope::All, false)?;
    print(&summary(&counts))?;
    if faults == 0 && (counts.channels, counts.messages) == (whole.channels, whole.messages) {
        print("sound, and all of it is there")?;
        return Ok(OK);
    }
    Err(Refused(super::UNSOUND, format!("what was restored is not what was backed up: {faults} faults")))
}

/// `export`.
pub(super) fn export(config: &Config, args: ExportArgs) -> Result<u8, Refused> {
    let wrong = args.channels.iter().find_map(|name| ChannelName::stored(name).err());
    if let Some(why) = wrong {
        return Err(Refused(REFUSED, why.to_string()));
    }
    let order = Order::Export { channels: args.channels };
    if args.file == Path::new("-") {
        let mut out = BufWriter::new(io::stdout().lock());
        lines(config, order, &mut |line| written(&mut out, line))?;
        out.flush()?;
        return Ok(OK);
    }
    let draft = Draft::new(&args.file)?;
    let bar = progress("objects written");
    let mut out = BufWriter::new(&draft.file);
    let done = lines(config, order, &mut |line| {
        bar.inc(1);
        written(&mut out, line)
    });
    let done = done.and_then(|()| Ok(out.flush()?));
    drop(out);
    bar.finish_and_clear();
    match done {
        Ok(()) => draft.keep()?,
        Err(why) => {
            let _ = fs::remove_file(&draft.draft);
            return Err(why);
        }
    }
    Ok(OK)
}

/// Writes an object; the last line is for whoever reads the others here.
fn written(out: &mut impl Write, line: &str) -> Result<(), Refused> {
    if line.starts_with("{\"end\":") {
        return Ok(());
    }
    Ok(out.write_all(line.as_bytes())?)
}

/// `import`.
pub(super) fn import(config: &Config, path: &Path) -> Result<u8, Refused> {
    let to = folder(config)?;
    let mut file = source(path, to)?;
    let known = SledRows::is_there(to).then(|| rows(config)).transpose()?;
    let there = |name: &ChannelName| match &known {
        Some(rows) => Ok(rows.get(&keys::channel(name.as_str())).map_err(Stop::from)?.is_some()),
        None => Ok(false),
    };
    let refused = |why: Stop| Refused(if matches!(why, Stop::File(_)) { REFUSED } else { FAILED }, why.to_string());
    let brought = care::look(&mut BufReader::new(&file), &there).map_err(refused)?;
    file.rewind()?;
    let (mut from, now) = (BufReader::new(&file), clock::wall());
    let bar = progress("importing");
    let epochs = match known {
        Some(rows) => {
            care::add(&rows, &mut from, &brought, now)?;
            false
        }
        None => care::make(to, config.store.cache_bytes, &mut from, &brought, now)??,
    };
    bar.finish_and_clear();
    let kept = if epochs { "their epochs are kept" } else { "each has an epoch of its own" };
    print(&format!("{} channels, {} messages imported; {kept}", brought.channels(), brought.messages))?;
    Ok(OK)
}

/// The file, to be read twice: what comes on stdin is written down first.
fn source(path: &Path, data: &Path) -> Result<File, Refused> {
    let failed = |path: &Path, why: io::Error| Refused(FAILED, format!("{}: {why}", path.display()));
    if path != Path::new("-") {
        return File::open(path).map_err(|why| failed(path, why));
    }
    let name = format!("import-{}", std::process::id());
    // Beside the data directory nobody but root may be able to write.
    let spool = if data.is_dir() { data.join(name) } else { data.with_extension(name) };
    let open = || {
        let mut options = OpenOptions::new();
        let mut file = options.create_new(true).read(true).write(true).mode(0o600).open(&spool)?;
        // Nobody finds it, and it is gone with this process.
        fs::remove_file(&spool)?;
        io::copy(&mut io::stdin().lock().by_ref(), &mut file)?;
        file.rewind()?;
        Ok(file)
    };
    open().map_err(|why| failed(&spool, why))
}
