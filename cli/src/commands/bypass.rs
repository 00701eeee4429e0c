//! `bypass`: a one-time code for somebody whose devices are out of reach.
#![forbid(unsafe_code)]

use pam_twofactor::record::Record;
use pam_twofactor::recovery::OneTimeCode;
use pam_twofactor::sys::clock;
use pam_twofactor::verify::{self, Gate};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::args::Bypass;
use crate::audit::{self, Event};
use crate::context::{Context, not_enrolled};
use crate::error::{Failure, for_user};
use crate::output::Report;
use crate::shell;
use crate::text::{span, utc};

/// Runs it.
pub fn run(context: &Context, args: &Bypass) -> Result<(), Failure> {
    let (account, store, _) = context.enrolled(&args.user)?;
    let named = |error| for_user(Failure::from(error), &account.name);
    let throttle = context.policy_or_default()?.throttle;
    let expires = clock::now()?.saturating_add(args.duration);
    let new = match args.duration {
        0 => None,
        _ => Some(OneTimeCode::generate(expires).map_err(Failure::system)?),
    };
    let (bypass, code) = new.unzip();
    let mut locked = store.lock_for_change(&account).map_err(named)?;
    let record = locked.record().map_err(named)?;
    let Some(mut record) = record.filter(Record::is_enrolled) else {
        return Err(not_enrolled(&account.name));
    };
    record.bypass = bypass;
    locked.replace_record(&record, &[]).map_err(named)?;
    let gate = verify::gate(&throttle, locked.state(), clock::now()?);
    drop(locked);
    let until = code.as_ref().map(|_| utc(expires));
    audit::log(
        Event::Changed,
        &[
            ("user", &account.name),
            ("action", "bypass"),
            ("until", until.as_deref().unwrap_or("withdrawn")),
        ],
    );
    let code = code.map(|code| code.grouped());
    context.write(&Given {
        user: &account.name,
        code: code.as_ref().map(|code| code.as_str()),
        expires: until,
        locked_out: gate != Gate::Open,
        duration: args.duration,
    })
}

/// What `bypass` reports; `null` where a code was withdrawn.
#[derive(Serialize)]
struct Given<'a> {
    user: &'a str,
    code: Option<&'a str>,
    expires: Option<String>,
    /// No code is looked at before `twofactor unlock`, or before the lock-out ends.
    locked_out: bool,
    #[serde(skip)]
    duration: u64,
}

impl Report for Given<'_> {
    fn text(&self) -> Zeroizing<String> {
        let (Some(code), Some(expires), user) = (self.code, &self.expires, self.user) else {
            return Zeroizing::new(format!("{} has no bypass code any more.\n", self.user));
        };
        let span = span(self.duration);
        let unlock = match self.locked_out {
            true => {
                let unlock = shell::twofactor("unlock", &[user], &[]);
                format!("{user} is locked out; for the code to work: {unlock}\n")
            }
            false => String::new(),
        };
        Zeroizing::new(format!(
            "Bypass code of {user}: {code}\n\
             It works once, instead of a code, for {span} (until {expires}).\n\
             Hand it over in person or by telephone.\n{unlock}"
        ))
    }
}
