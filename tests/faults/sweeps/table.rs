//! The results of a sweep, counted, and the row that it prints.

use std::collections::BTreeMap;

use harness::fault::{Call, Fault, Harm};

/// Results that must never be seen after a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// A login without a recorded use of a right code: also PAM_IGNORE, a code that works twice, a guess that is judged
    /// and not counted.
    LetIn,
    /// The record or the state is neither the old nor the new one.
    Lost,
    /// A later login or change is refused.
    Stuck,
    /// A file that does not belong there.
    Stray,
}

const COLUMNS: [Column; 4] = [Column::LetIn, Column::Lost, Column::Stuck, Column::Stray];

/// `make test` takes each fault of this distance, the same ones each time; `make faults` all of them, and
/// `make faults EVERY=7` each seventh.
pub fn stride(of_sample: usize) -> usize {
    if cfg!(feature = "whole-sweeps") {
        option_env!("FAULTS_EVERY").map_or(1, |every| every.parse().unwrap())
    } else {
        of_sample
    }
}

/// One row.
pub struct TableRow {
    name: String,
    struck: usize,
    missed: usize,
    findings: BTreeMap<Column, Vec<String>>,
}

impl TableRow {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            struck: 0,
            missed: 0,
            findings: BTreeMap::new(),
        }
    }

    /// Counts a fault if it struck the call that was meant.
    pub fn count(&mut self, meant: &Call, struck: Option<Call>) {
        if struck.is_some_and(|struck| struck.number == meant.number) {
            self.struck += 1;
        } else {
            self.missed += 1;
        }
    }

    /// Notes what must not be.
    pub fn found(&mut self, column: Column, what: String) {
        self.findings.entry(column).or_default().push(what);
    }

    /// Number of faults that struck.
    pub const fn struck(&self) -> usize {
        self.struck
    }

    fn line(&self) -> String {
        let count = |column| self.findings.get(&column).map_or(0, Vec::len);
        let counts = COLUMNS.map(count);
        format!(
            "{:<56}{:>8}{:>8}{:>12}{:>7}{:>7}",
            self.name, self.struck, counts[0], counts[1], counts[2], counts[3]
        )
    }
}

/// Prints the rows as one table, and fails when there is a number where a zero belongs.
///
/// # Panics
/// With everything that was found.
pub fn print(title: &str, rows: &[TableRow]) {
    let mut text = format!(
        "\n{:<56}{:>8}{:>8}{:>12}{:>7}{:>7}\n",
        title, "faults", "let in", "state lost", "stuck", "stray"
    );
    rows.iter()
        .for_each(|row| text += &format!("{}\n", row.line()));
    println!("{text}");
    let found: Vec<_> = rows
        .iter()
        .filter(|row| !row.findings.is_empty())
        .map(|row| (&row.name, &row.findings))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
    for row in rows {
        assert!(row.struck > 0, "{}: nothing struck", row.name);
        // A call comes a place earlier or later when parent and child run at once; that must stay rare.
        let (struck, missed) = (row.struck, row.missed);
        assert!(missed <= 2 + struck / 20, "{}: {missed} missed", row.name);
    }
}

/// A fault in words.
pub fn described(calls: &[Call], fault: Fault) -> String {
    let call = calls[fault.position].name();
    let before = &calls[..=fault.position];
    let nth = before.iter().filter(|other| other.name() == call).count();
    match fault.harm {
        Harm::Error(errno) => {
            let error = std::io::Error::from_raw_os_error(errno);
            format!("{call} number {nth}: {error}")
        }
        harm => format!("{call} number {nth}: {harm:?}"),
    }
}

/// Everything that the state path is swept with at one call.
pub fn harms(call: &Call) -> Vec<Harm> {
    let errors = [
        libc::EIO,
        libc::ENOSPC,
        libc::EMFILE,
        libc::ENFILE,
        libc::ENOMEM,
        libc::EACCES,
        libc::EINTR,
        libc::EROFS,
    ];
    let mut harms: Vec<Harm> = errors.map(Harm::Error).into();
    harms.extend([Harm::KillBefore, Harm::KillAfter]);
    let length = call.length().unwrap_or(0);
    harms.extend([1, length / 2, length.saturating_sub(1)].map(Harm::Short));
    harms.retain(|harm| !matches!(harm, Harm::Short(short) if *short == 0 || *short >= length));
    harms.dedup();
    harms
}

/// Each fault at the calls about files and memory, with the call that it is meant for.
pub fn state_path(calls: &[Call]) -> Vec<(Fault, Call)> {
    let of = |(position, call): (usize, &Call)| {
        let (call, harms) = (*call, harms(call));
        let faults = harms.into_iter().map(move |harm| Fault { position, harm });
        faults.map(move |fault| (fault, call)).collect::<Vec<_>>()
    };
    let calls = calls.iter().enumerate();
    let concerned = calls.filter(|(_, call)| call.is_about_files_or_memory());
    concerned.flat_map(of).collect()
}
