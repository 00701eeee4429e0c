//! Servers that check others and run as an account of their own: PostgreSQL with `pam` in pg_hba.conf, and nginx with
//! ngx_http_auth_pam. Both have one password for all questions. pam_unix lets them check it, since the test puts them into the group
//! that may read it.

use std::path::PathBuf;

use harness::enrolled::Token;
use harness::{Machine, PASSWORD, Running};

use super::*;

/// The code at the end of the password, and the password for pam_unix.
const STACK: &str = "\
auth [success=ok ignore=ignore default=die] pam_twofactor.so forward_pass
auth requisite pam_unix.so use_first_pass nodelay
account [success=ok ignore=ignore module_unknown=ignore default=die] pam_twofactor.so
account required pam_permit.so
";

/// alice has a token, bob and carol have none, and carol is exempt.
fn policy(verifiers: &str) -> String {
    let exempt = "[[exempt]]\nusers = [\"carol\"]\n";
    format!("{POLICY}[self_service]\nverifiers = [{verifiers}]\n{exempt}")
}

/// Sees that a server lets in only with password and code. It runs as `account`, and `lets_in` asks it for a user and a password.
fn needs_codes(
    (machine, alice): (&Machine, &Token),
    account: &str,
    lets_in: &dyn Fn(&str, &str) -> bool,
) {
    machine.policy(&policy(&format!("\"{account}\"")));
    let daemon = machine.daemon();
    let with = |code: &str| format!("{PASSWORD}{code}");
    assert!(
        lets_in("alice", &with(&alice.code())),
        "{:#?}",
        machine.log()
    );
    for refused in [
        PASSWORD,
        &with(&alice.wrong()),
        &format!("not it{}", alice.code()),
    ] {
        assert!(!lets_in("alice", refused), "{refused}");
    }
    let judged = format!("verifier={account} ");
    assert!(daemon.log().contains(&judged), "{}", daemon.log());
    // That a user has no device is no way in; the policy has one.
    assert!(!lets_in("bob", PASSWORD));
    assert!(lets_in("carol", PASSWORD));
    // Without the daemon, and without the right, no user who is asked.
    daemon.kill();
    assert!(!lets_in("alice", &with(&alice.code())));
    let _daemon = machine.daemon();
    assert!(lets_in("alice", &with(&alice.code())));
    machine.policy(&policy(""));
    assert!(!lets_in("alice", &with(&alice.code())));
}

fn three_users() -> (Machine, Token) {
    let (machine, alice) = two_users();
    add_account(&machine, "carol");
    machine.set_password("carol");
    (machine, alice)
}

/// The programs of PostgreSQL, unpacked or installed.
fn postgres_programs(machine: &Machine) -> PathBuf {
    let unpacked = unpacked_servers(machine).join("usr/lib/postgresql");
    let places = [unpacked, PathBuf::from("/usr/lib/postgresql")];
    let entries = places
        .iter()
        .filter_map(|place| std::fs::read_dir(place).ok());
    let versions = entries
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"));
    versions.max().unwrap()
}

fn postgres(machine: &Machine) -> Running {
    const DATA: &str = "/home/postgres/data";
    let programs = postgres_programs(machine);
    machine.add_user("postgres");
    machine.add_to_group("postgres", "shadow");
    machine.stack("postgresql", STACK);
    let initdb = machine.program(programs.join("initdb")).user("postgres");
    let initdb = initdb.args(&["-D", DATA, "-U", "postgres", "-A", "trust", "--no-sync"]);
    initdb.run().ok();
    let rules = "local all postgres trust\nhost all all 127.0.0.1/32 pam pamservice=postgresql\n";
    machine.write_file(format!("{DATA}/pg_hba.conf"), rules, 0o644);
    let server = machine.program(programs.join("postgres")).user("postgres");
    let server = server
        .args(&["-D", DATA, "-k", "/home/postgres", "-h", "127.0.0.1"])
        .start();
    for user in ["alice", "bob", "carol"] {
        let role = format!("create role {user} login");
        wait_for("role", || {
            let client = machine.program(programs.join("psql")).user("postgres");
            let words = ["-h", "/home/postgres", "-d", "postgres", "-c", &role];
            let made = client.args(&words).run();
            made.code == Some(0) || made.stderr.contains("already exists")
        });
    }
    server
}

#[test]
fn postgresql_takes_codes_as_a_verifier() {
    let (machine, alice) = three_users();
    let _server = postgres(&machine);
    let psql = postgres_programs(&machine).join("psql");
    let lets_in = |user: &str, password: &str| {
        let client = machine.program(&psql).env("PGPASSWORD", password);
        let words = [
            "-h",
            "127.0.0.1",
            "-U",
            user,
            "-d",
            "postgres",
            "-Atc",
            "select current_user",
        ];
        let run = client.args(&words).run();
        run.code == Some(0) && run.stdout.trim() == user
    };
    needs_codes((&machine, &alice), "postgres", &lets_in);
}

const NGINX: &str = "\
load_module ROOT/usr/lib/nginx/modules/ngx_http_auth_pam_module.so;
daemon off;
user www-data;
pid /run/nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path /run/nginx-body;
    proxy_temp_path /run/nginx-proxy;
    fastcgi_temp_path /run/nginx-fastcgi;
    uwsgi_temp_path /run/nginx-uwsgi;
    scgi_temp_path /run/nginx-scgi;
    server {
        listen 127.0.0.1:8080;
        root /srv/www;
        auth_pam \"realm\";
        auth_pam_service_name nginx;
    }
}
";

#[test]
fn nginx_takes_codes_as_a_verifier() {
    let (machine, alice) = three_users();
    let root = unpacked_servers(&machine);
    machine.add_to_group("www-data", "shadow");
    machine.stack("nginx", STACK);
    machine.write_file("/srv/www/index.html", "for users\n", 0o644);
    let configuration = NGINX.replace("ROOT", &root.display().to_string());
    machine.write_file("/run/nginx.conf", configuration, 0o644);
    let server = machine.program(root.join("usr/sbin/nginx"));
    let _server = server
        .args(&["-e", "stderr", "-c", "/run/nginx.conf"])
        .start();
    let ask = |user: &str, password: &str| {
        let who = format!("{user}:{password}");
        let words = [
            "--silent",
            "--user",
            &who,
            "http://127.0.0.1:8080/index.html",
        ];
        machine.program("curl").args(&words).run()
    };
    wait_for("nginx", || ask("alice", "").code == Some(0));
    let lets_in = |user: &str, password: &str| ask(user, password).stdout == "for users\n";
    needs_codes((&machine, &alice), "www-data", &lets_in);
}
