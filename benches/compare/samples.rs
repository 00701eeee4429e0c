//! The samples that the worker prints about each login, and its medians.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::numbers::summary;

/// Duration of the parts of one transaction, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub struct TransactionTimes {
    /// pam_start to pam_end.
    pub whole: u64,
    /// pam_authenticate alone.
    pub auth: u64,
    /// Processor time of the whole.
    pub whole_cpu: u64,
    /// Processor time of pam_authenticate.
    pub auth_cpu: u64,
}

/// The times of many logins, by service.
pub struct Samples(BTreeMap<String, Vec<TransactionTimes>>);

impl Samples {
    /// Reads lines of a service and four times.
    pub fn read(text: &str) -> Self {
        let mut samples: BTreeMap<String, Vec<TransactionTimes>> = BTreeMap::new();
        for line in text.lines() {
            let (service, times) = line.split_once(' ').unwrap();
            let times: Vec<u64> = times.split(' ').map(|time| time.parse().unwrap()).collect();
            let [whole, auth, whole_cpu, auth_cpu] = times[..] else {
                panic!("{line}");
            };
            samples
                .entry(service.to_owned())
                .or_default()
                .push(TransactionTimes {
                    whole,
                    auth,
                    whole_cpu,
                    auth_cpu,
                });
        }
        assert!(!samples.is_empty(), "the worker measured nothing");
        Self(samples)
    }

    /// Median and quartiles of one part, by service.
    pub fn summaries(&self, part: fn(&TransactionTimes) -> u64) -> Value {
        let one = |(service, times): (&String, &Vec<TransactionTimes>)| {
            (service.clone(), summary(times.iter().map(part).collect()))
        };
        self.0.iter().map(one).collect::<Map<_, _>>().into()
    }
}
