//! `import`: devices from google-authenticator, pam_oath and apps. Shown first, then asked for, then stored.
#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pam_twofactor::sys::accounts::Account;
use pam_twofactor::sys::clock;
use pam_twofactor::sys::homes::{self, Resident};

use crate::accounts::Accounts;
use crate::args::transfer::{Google, Import, Manner as Options, Oath, Uri};
use crate::audit;
use crate::context::Context;
use crate::error::{Exit, Failure};
use crate::import::apply::{self, Job, Manner};
use crate::import::plan::{Existing, Row};
use crate::import::report::{Imported, Stage};
use crate::import::source::{self, Content, MANY_USERS, ONE_USER, Unread};
use crate::import::{Item, Moment, Parsed, Place, Refused, google, oath, uri};
use crate::output::Report as _;
use crate::progress::Progress;
use crate::text::count;

const SHARED: &str = "others could read the file: for a new key, twofactor renew USER";

/// Runs it. The exit code tells of what was not taken.
pub fn run(context: &Context, args: &Import) -> Result<ExitCode, Failure> {
    let moment = Moment {
        now: clock::now()?,
        window: context.policy_or_default()?.window,
    };
    match args {
        Import::GoogleAuthenticator(args) => from_google(context, args, moment),
        Import::UsersOath(args) => from_oath(context, args, moment),
        Import::Uri(args) => from_uris(context, args, moment),
    }
}

fn from_google(context: &Context, args: &Google, moment: Moment) -> Result<ExitCode, Failure> {
    let residents = match &args.user {
        Some(user) => {
            let account = context.account(user)?;
            let listed = homes::all()?.into_iter().find(|one| one.account == account);
            // Not listed, or not under that name: then the file has to be named.
            vec![listed.unwrap_or_else(|| Resident {
                account,
                home: PathBuf::new(),
            })]
        }
        None => {
            let mut residents = homes::all()?;
            let mut seen = HashSet::new();
            // As in a lookup, the first of a name counts.
            residents.retain(|one| seen.insert(one.account.name.clone()));
            residents
        }
    };
    let (mut jobs, mut rows) = (Vec::new(), Vec::new());
    let mut progress = Progress::new("Read", residents.len());
    for Resident { account, home } in residents {
        progress.add(1);
        let named = args.file.clone();
        let Some(path) = named.or_else(|| args.secret.path(&account.name, &home)) else {
            if !args.all {
                let why = format!("the home directory of {} is not known", account.name);
                return Err(Failure::refused(why).next(
                    "Name the file: twofactor import google-authenticator FILE --user USER",
                ));
            }
            continue;
        };
        let parsed = match source::read(&path, &[account.uid], ONE_USER) {
            Ok(content) => google_file(&content, &path, &account.name, moment),
            Err(error) if error.is_missing() && args.all => continue,
            Err(error) => unread(&path, Some(&account.name), error),
        };
        rows.extend(refusals(parsed.refused));
        if !parsed.items.is_empty() {
            jobs.push(Job {
                account,
                items: parsed.items,
            });
        }
    }
    drop(progress);
    if args.all && jobs.is_empty() && rows.is_empty() {
        return Err(Failure::refused("no user has such a file").next(
            "If pam_google_authenticator has secret= in /etc/pam.d: --secret with the same path",
        ));
    }
    finish(
        context,
        jobs,
        rows,
        &args.manner,
        moment,
        "google-authenticator",
    )
}

fn google_file(content: &Content, path: &Path, user: &str, moment: Moment) -> Parsed {
    let file = path.display().to_string();
    let mut parsed = google::parse(&content.bytes, &file, user, moment);
    note_shared(&mut parsed, content);
    parsed
}

fn from_oath(context: &Context, args: &Oath, moment: Moment) -> Result<ExitCode, Failure> {
    let content = file_of_caller(&args.file, None)?;
    let mut parsed = oath::parse(&content.bytes, &args.file.display().to_string(), moment);
    note_shared(&mut parsed, &content);
    let (jobs, rows) = assigned(parsed, |account| format!("there is no user {account}"))?;
    finish(context, jobs, rows, &args.manner, moment, "users-oath")
}

fn from_uris(context: &Context, args: &Uri, moment: Moment) -> Result<ExitCode, Failure> {
    let user = args
        .user
        .as_ref()
        .map(|user| context.account(user))
        .transpose()?;
    let file = args.file.as_deref().filter(|file| *file != Path::new("-"));
    if file.is_some_and(|file| {
        file.to_string_lossy()
            .to_ascii_lowercase()
            .starts_with("otpauth")
    }) {
        return Err(Failure::usage(
            "keys are not taken from the command line, where every user of this machine could see them",
        )
        .next("Put the URI into a file, or on standard input: twofactor import uri -\nThe key of this one is no secret any more."));
    }
    let mut parsed = match file {
        Some(file) => {
            let content = file_of_caller(file, user.as_ref())?;
            let mut parsed = uri::parse(&content.bytes, &file.display().to_string(), moment);
            note_shared(&mut parsed, &content);
            parsed
        }
        None => {
            let bytes = source::read_stream(io::stdin().lock(), MANY_USERS)
                .map_err(|error| Failure::system(format!("standard input: {error}")))?;
            uri::parse(&bytes, "-", moment)
        }
    };
    let (jobs, rows) = match user {
        Some(account) => {
            let items = std::mem::take(&mut parsed.items);
            let jobs = match items.is_empty() {
                true => Vec::new(),
                false => vec![Job { account, items }],
            };
            (jobs, refusals(parsed.refused).collect())
        }
        None => assigned(parsed, |account| {
            format!("its label names no user of this machine ({account}); --user says whose it is")
        })?,
    };
    finish(context, jobs, rows, &args.manner, moment, "uri")
}

/// A file that the administrator names: root's, the user's it is for, or the administrator's own.
fn file_of_caller(path: &Path, user: Option<&Account>) -> Result<Content, Failure> {
    let mut owners = vec![audit::caller()];
    owners.extend(user.map(|user| user.uid));
    source::read(path, &owners, MANY_USERS).map_err(|error| {
        let failure = Failure::refused(format!("{}: {error}", path.display()));
        match error {
            Unread::Owner(_) => failure.next(format!(
                "See whose it is; then: chown root {}",
                path.display()
            )),
            Unread::Writable(_) => failure.next(format!(
                "See who changed it; then: chmod go-w {}",
                path.display()
            )),
            _ => failure,
        }
    })
}

fn note_shared(parsed: &mut Parsed, content: &Content) {
    if content.shared {
        parsed
            .items
            .iter_mut()
            .for_each(|item| item.notes.push(SHARED));
    }
}

fn unread(path: &Path, user: Option<&str>, error: Unread) -> Parsed {
    let place = Place {
        file: path.display().to_string().into(),
        line: 0,
    };
    let refused = Refused {
        place,
        user: user.map(str::to_owned),
        reason: error.to_string(),
    };
    Parsed {
        items: Vec::new(),
        refused: vec![refused],
    }
}

fn refusals(refused: Vec<Refused>) -> impl Iterator<Item = Row> {
    let row = |one: Refused| Row::refused(one.place, one.user, one.reason);
    refused.into_iter().map(row)
}

/// The items by user, in the order of the file; those of nobody are refused.
fn assigned(
    parsed: Parsed,
    unknown: impl Fn(&str) -> String,
) -> Result<(Vec<Job>, Vec<Row>), Failure> {
    let mut rows: Vec<Row> = refusals(parsed.refused).collect();
    let accounts = Accounts::for_names(parsed.items.len());
    let mut jobs: Vec<Job> = Vec::new();
    let mut positions: HashMap<String, usize> = HashMap::new();
    let mut progress = Progress::new("Looked up", parsed.items.len());
    for item in parsed.items {
        progress.add(1);
        let Some(account) = accounts.find(&item.user)? else {
            let reason = unknown(&crate::text::plain(&item.user));
            rows.push(Row::refused(item.place, None, reason));
            continue;
        };
        add(&mut jobs, &mut positions, account, item);
    }
    Ok((jobs, rows))
}

fn add(jobs: &mut Vec<Job>, positions: &mut HashMap<String, usize>, account: Account, item: Item) {
    let position = *positions.entry(account.name.clone()).or_insert(jobs.len());
    match jobs.get_mut(position) {
        Some(job) => job.items.push(item),
        None => jobs.push(Job {
            account,
            items: vec![item],
        }),
    }
}

/// Shows the plan, has it confirmed, stores it, and reports.
fn finish(
    context: &Context,
    jobs: Vec<Job>,
    refused: Vec<Row>,
    options: &Options,
    moment: Moment,
    from: &'static str,
) -> Result<ExitCode, Failure> {
    if jobs.is_empty() && refused.is_empty() {
        return Err(Failure::refused("there is no device in it"));
    }
    let manner = Manner {
        existing: Existing::new(&options.replace),
        moment,
        from,
    };
    let with_refused = |mut rows: Vec<Row>| {
        rows.extend(refused.iter().cloned());
        rows
    };
    let store = context.store()?;
    let jobs = match &store {
        Some(store) => apply::resolved(store, jobs),
        None => jobs,
    };
    if !context.terminal.is_confirmed() || options.dry_run || jobs.is_empty() {
        let rows = with_refused(apply::plan(store.as_ref(), &jobs, manner)?);
        if !options.dry_run && !rows.iter().any(Row::changes) {
            return report(context, &Imported::new(from, Stage::Done, rows));
        }
        let planned = Imported::new(from, Stage::Planned, rows);
        if options.dry_run {
            return report(context, &planned);
        }
        context.terminal.say(&planned.text())?;
        let devices = count(planned.changes() as u64, "device");
        context.terminal.confirm(&format!("Import {devices}?"))?;
    }
    let store = context.existing_store()?;
    let rows = apply::write(&store, &jobs, manner)?;
    report(
        context,
        &Imported::new(from, Stage::Done, with_refused(rows)),
    )
}

fn report(context: &Context, imported: &Imported) -> Result<ExitCode, Failure> {
    context.write(imported)?;
    Ok(match imported.is_partial() {
        true => ExitCode::from(Exit::Refused as u8),
        false => ExitCode::SUCCESS,
    })
}
