//! Two machines with their own sshd, libpam and network, hosts of one fleet on a real cluster of etcd.
#![forbid(unsafe_code)]
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "limits of time are measured")]
#![allow(dead_code, reason = "the cluster has more than these tests use")]

mod abandoned_calls;
#[path = "../enrollment/app.rs"]
mod app;
mod busy_files;
mod bypass_here;
mod enabling;
mod faulty_service;
mod host_machines;
mod killed;
mod killed_change;
mod older_records;
mod one_user;
mod outages;
mod relayed_changes;
mod relayed_enrollment;
mod replaced_files;
mod service_tap;
mod slow_store;
mod two_clocks;
mod two_hosts;
mod unsure_changes;

use harness::enrolled::{SERVICE, add_account, auth, device, login, record_path, write_record};
use harness::pam::code;
use twofactor_core::device::{Device, OtpKind};
use twofactor_core::otp::Interval;

use harness::etcd::cluster::EtcdCluster;
use host_machines::MemberHost;

/// One question in a login, which is in a fleet with these keys.
fn policy(keys: &str) -> String {
    format!(
        "enabled = true\ntries = 1\n[services]\nsshd = true\n[throttle]\ndelay = 0\n\
         [fleet]\nenabled = true\n{keys}\n"
    )
}

/// Two hosts of a fleet, on which alice has this device.
fn two_hosts(cluster: &EtcdCluster, kind: OtpKind, keys: &str) -> [MemberHost; 2] {
    let hosts = two_members(cluster, kind, &policy(keys));
    hosts.iter().for_each(MemberHost::serve);
    hosts.iter().for_each(|host| until_met(host, 1));
    hosts
}

/// Two hosts with this policy, on which no service runs yet.
fn two_members(cluster: &EtcdCluster, kind: OtpKind, policy: &str) -> [MemberHost; 2] {
    let hosts = [(); 2].map(|()| MemberHost::start(cluster, policy));
    let phone: Device = device("phone", kind);
    for host in &hosts {
        let phone = phone.clone();
        host.run(move |host| {
            let alice = add_account(&host.machine, "alice");
            write_record(&alice, vec![phone]);
        });
    }
    let key = hosts[0].found();
    hosts[1].join(key);
    hosts
}

/// The record of alice on a host.
fn record(host: &MemberHost) -> String {
    host.run(|host| host.machine.read(record_path("alice")))
}

/// Waits until the service has met the store so often.
fn until_met(host: &MemberHost, times: usize) {
    host.until(move |host| {
        let log = host.daemon.as_ref().unwrap().log();
        log.matches("result=store-met").count() >= times
    });
}

/// Has the service begin anew, which looks at the store at once, and waits until this is true of the files.
fn renewed(host: &MemberHost, is_true: impl Fn() -> bool + Send + 'static) {
    host.run(|host| host.daemon.take().unwrap().kill());
    host.serve();
    host.until(move |_| is_true());
}

fn totp() -> OtpKind {
    OtpKind::Totp {
        interval: Interval::THIRTY,
    }
}

/// libpam's result for an answer of alice's at a service.
fn types(host: &MemberHost, service: &str, typed: &str) -> i32 {
    let (service, typed) = (service.to_owned(), typed.to_owned());
    host.run(move |_| auth(login("alice").service(&service).answer(&typed)))
}

fn is_in(host: &MemberHost, typed: &str) -> bool {
    types(host, SERVICE, typed) == code::SUCCESS
}
