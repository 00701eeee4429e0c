# `make help` lists the targets. Rust is needed (Cargo.toml says which); Debian packages that are missing are installed.

PREFIX      = /usr/local
# Where libpam looks for modules: beside pam_unix.so, of the architecture that is built for.
multiarch  := $(or $(shell gcc -print-multiarch 2>/dev/null),$(shell uname -m)-linux-gnu)
PAMDIR     := $(patsubst %/pam_unix.so,%,$(firstword $(wildcard $(addsuffix /security/pam_unix.so, \
	/usr/lib/$(multiarch) /lib/$(multiarch) /usr/lib64 /lib64 /usr/lib /lib /usr/lib/*))))
POLICYDIR   = /etc/security
STATEDIR    = /var/lib/twofactor
BINDIR      = $(PREFIX)/bin
SBINDIR     = $(PREFIX)/sbin
DOCDIR      = $(PREFIX)/share/doc/pam_twofactor
EXAMPLEDIR  = $(DOCDIR)/pam.d
POLICIESDIR = $(dir $(EXAMPLEDIR))policies
# Where the policy lies as it was delivered.
DEFAULTDIR  = $(DOCDIR)
MANDIR      = $(PREFIX)/share/man
BASHDIR     = $(PREFIX)/share/bash-completion/completions
ZSHDIR      = $(PREFIX)/share/zsh/site-functions
FISHDIR     = $(PREFIX)/share/fish/vendor_completions.d
# systemd and AppArmor look there, whatever PREFIX is.
UNITDIR     = /usr/lib/systemd/system
POLKITDIR   = $(UNITDIR)/polkit-agent-helper@.service.d
APPARMORDIR = /etc/apparmor.d/abstractions/authentication.d
# Where cockpit-bridge looks, and what shows a page in the list of applications.
COCKPITDIR  = $(PREFIX)/share/cockpit/twofactor
METAINFODIR = $(PREFIX)/share/metainfo
export DESTDIR PAMDIR POLICYDIR STATEDIR BINDIR SBINDIR DOCDIR EXAMPLEDIR POLICIESDIR DEFAULTDIR MANDIR \
	BASHDIR ZSHDIR FISHDIR UNITDIR POLKITDIR APPARMORDIR COCKPITDIR METAINFODIR

# The versions of Cargo.lock are the tested ones; empty lets cargo change them.
CARGOFLAGS = --locked

# rustup's directory, for shells that have not read its environment yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

target  = $(or $(CARGO_TARGET_DIR),target)
release = $(target)/release
module  = $(release)/pam_twofactor.so
command = $(release)/twofactor
daemon  = $(release)/twofactord

build_packages   = gcc libc6-dev libpam0g-dev
demo_packages    = $(build_packages) openssh-server openssh-client oathtool libpam-modules util-linux
fuzz_packages    = $(build_packages) g++
test_packages    = $(demo_packages) sudo login binutils valgrind strace zbar-tools imagemagick librsvg2-bin rsync \
	procps libpam-google-authenticator libpam-oath apparmor sasl2-bin opendoas e2fsprogs xfsprogs btrfs-progs g++ \
	man-db mandoc bash-completion zsh fish
deb_packages     = $(build_packages) debhelper dpkg-dev
dist_packages    = $(build_packages) git util-linux binutils
rpm_packages     = $(build_packages) rpm binutils checkpolicy cpio
system_packages  = $(deb_packages) lintian debootstrap util-linux
apps_packages    = $(test_packages) dovecot-imapd vsftpd openvpn openssl python3 i3lock xsecurelock lightdm \
	lightdm-gtk-greeter dbus xvfb xdotool
fleet_packages   = $(build_packages) etcd-server etcd-client openssl util-linux
lockers_packages = $(test_packages) xvfb xdotool curl
browser_packages = $(test_packages) cockpit-ws cockpit-bridge cockpit-system $(chromium) $(npm)
# On Ubuntu, where Chromium is a snap, Google Chrome and its chromedriver do as well.
chromium         = $(if $(shell command -v chromedriver),,chromium chromium-driver)
# For one file that only the tests use.
npm              = $(if $(shell command -v npm),,npm)

# Each test program runs under sudo when make does not run as root.
ifneq ($(shell id -u),0)
as_root     = sudo
sudo_runner = target."cfg(all())".runner = ["sudo", "-E"]
root_runner = --config '$(sudo_runner)'
endif
# The module, and the crates that it is made of.
library     = -p pam_twofactor -p twofactor-core -p twofactor-protocol -p twofactor-store
test_module = cargo test $(CARGOFLAGS) $(root_runner) -p pam_twofactor

comma := ,

.PHONY: docs build test test-browser test-apps test-lockers test-system test-boot test-fleet fleet test-dist test-rpm fuzz sanitize \
	miri mutants faults races model coverage deny bench bench-fleet budget manual bench-uniform demo pictures dist rpm deb packages release \
	install install-files uninstall clean help lint harness rust
.DEFAULT_GOAL = docs
# The order of prerequisites matters; cargo and debhelper use all cores by themselves.
.NOTPARALLEL:

# The Debian packages of a list above: need-test.
need-%:
	@scripts/need $($*_packages)

rust:
	@scripts/rust

## docs, build         all three parts; docs also makes the manual pages
docs: build
	@mkdir -p $(target)/man $(target)/completions
	install -m 0644 docs/man/*.[58] $(target)/man
	$(command) completions bash > $(target)/completions/twofactor.bash
	$(command) completions zsh > $(target)/completions/_twofactor
	$(command) completions fish > $(target)/completions/twofactor.fish

# One package at a time: both at once would unify the features of what they share.
build: need-build rust
	cargo build $(CARGOFLAGS) --release -p twofactor
	cargo build $(CARGOFLAGS) --release -p twofactord
	cargo build $(CARGOFLAGS) --release -p pam_twofactor
	install -m 0755 $(release)/libpam_twofactor.so $(module)
	@echo "Built $(module), $(command) and $(daemon)"

# The PAM applications of the tests.
harness: build
	cargo build $(CARGOFLAGS) -p harness

# All programs that need no feature: with --tests, cargo would run the unit tests a second time.
test_programs = $(addprefix --test ,command daemon docs doctor enrollment faults login model module package selftest) \
	$(addprefix --bench ,compare daemon)

## test                formatting, lints, build and all tests (as root with sudo)
test: need-test lint build
	cargo test $(CARGOFLAGS) --workspace --doc
	scripts/unit-tests $(CARGOFLAGS)
	cargo test $(CARGOFLAGS) --workspace $(test_programs) --no-fail-fast $(root_runner)
	fuzz/run short

lint:
	@scripts/rust fmt clippy
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy $(CARGOFLAGS) --workspace --all-targets --all-features -- -D warnings

## test-browser        logins to Cockpit, and the page there, in Chromium
test-browser: need-browser build
	scripts/axe $(target)/axe.min.js
	$(test_module) --features browser-tests --test cockpit

## test-apps           Dovecot, vsftpd, openvpn, i3lock, LightDM, sudo-rs
# It installs all but sudo-rs and fail2ban, a daemon that changes the firewall.
test-apps: need-apps harness
	scripts/sudo-rs $(target)/sudo-rs
	$(as_root) scripts/unpack $(target)/fail2ban fail2ban
	$(test_module) --features app-tests --test apps

## test-lockers        screen lockers, PostgreSQL, nginx with the daemon
test-lockers: need-lockers harness
	$(as_root) scripts/unpack $(target)/lockers i3lock xsecurelock xscreensaver swaylock sway wtype
	$(as_root) scripts/unpack $(target)/servers postgresql nginx-core libnginx-mod-http-auth-pam
	$(test_module) --features locker-tests --test lockers

## test-system         the Debian package in a clean root
test-system: need-system packages
	lintian --allow-root --pedantic --fail-on error,warning,pedantic $(target)/deb/*.changes
	for deb in $(target)/deb/*.deb; do cmp $$deb $(target)/system/again/$${deb##*/} || exit 1; done
	$(as_root) scripts/system-root $(target)/system
	$(as_root) env ROOT=$(target)/system/root scripts/unpack $(target)/system/ansible ansible-core python3-apt
	$(as_root) scripts/unpack $(target)/system/promtool prometheus
	$(test_module) --features system-tests --test package -- debian:: --test-threads=2

# The package twice, whose bytes have to be the same, and that of 0.1.0.
packages: deb
	scripts/deb $(target)/system/again
	test -e $(target)/system/before/*.deb || scripts/deb $(target)/system/before 80a8f7e

## test-boot           the Debian package in a machine that systemd boots
test-boot: need-system deb harness
	$(as_root) scripts/system-root $(target)/system
	$(test_module) --features boot-tests --test package -- booted:: --test-threads=2

## test-fleet, fleet   several hosts and a real etcd; fleet: with every kill
## bench-fleet         what a fleet costs
test-fleet fleet: need-fleet need-test harness
	FLEET_EVERY=$(if $(filter fleet,$@),1,11) cargo test $(CARGOFLAGS) $(root_runner) -p twofactor-fleet --features etcd-tests \
		--test etcd -- --test-threads=4
	$(test_module) --features fleet-tests$(if $(filter fleet,$@),$(comma)whole-sweeps) --test fleet

bench-fleet: need-fleet need-test harness
	cargo bench $(CARGOFLAGS) $(root_runner) -p twofactor-fleet --features etcd-tests --bench figures -- $(PARTS)

## test-dist, test-rpm contents of the source archive, and of the RPM
test-dist: dist
	tests/package/dist $(target)

test-rpm: rpm docs
	tests/package/rpm $(target)

## fuzz                parsers, and logins against a model; TARGET= SECONDS= RUNS=
fuzz: need-fuzz rust
	fuzz/run long --runs '$(RUNS)' --seconds '$(SECONDS)' $(TARGET)

## sanitize, miri      unit tests under AddressSanitizer or Miri; TESTS=
# Leaks are not looked for: a panic's payload is forgotten on purpose.
sanitize: need-test rust
	RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address ASAN_OPTIONS=detect_leaks=0 \
		cargo test $(CARGOFLAGS) $(root_runner) $(library) --lib \
		--target $$(rustc -vV | sed -n 's/^host: //p') --target-dir $(target)/sanitize

# Needs a nightly Rust.
miri:
	@cargo +nightly miri --version >/dev/null || \
		{ echo "First: rustup toolchain install nightly --component miri,rust-src" >&2; exit 1; }
	cargo +nightly miri test $(CARGOFLAGS) $(library) --lib -- $(TESTS) \
		$$(sed -n 's/^[a-z]/--skip &/p' tests/miri-skip.txt)

## mutants             unit tests against changed code; FILES=
mutants: need-build rust
	@command -v cargo-mutants >/dev/null || cargo install --locked cargo-mutants
	mkdir -p $(target)
	cargo mutants $(library) -p twofactor-fleet -p twofactord --output $(target) $(addprefix --re ^,$(FILES)) \
		$(if $(as_root),--cargo-arg=--config --cargo-arg='$(sudo_runner)')

## faults, races       calls fail, logins coincide; EVERY=7; model: a fleet's steps
EVERY = 1
faults: need-test harness
	FAULTS_EVERY=$(EVERY) $(test_module) --features whole-sweeps --test faults \
		-- sweeps:: --nocapture --test-threads=2

races: need-test harness
	$(test_module) --features whole-sweeps --test faults -- races:: at_once:: --nocapture --test-threads=1
	cargo test $(CARGOFLAGS) --config profile.test.opt-level=2 -p twofactor-store --features whole-sweeps --lib \
		takeover_model -- --nocapture

model: rust
	cargo test $(CARGOFLAGS) --config profile.test.opt-level=3 -p twofactor-fleet --features whole-model \
		--test model -- --nocapture --test-threads=1

## coverage, deny      lines that tests run; licences, vulnerabilities; CHECKS=
coverage: need-test rust
	scripts/coverage $(target)/coverage $(root_runner)

CHECKS = all
deny:
	@cargo deny --version >/dev/null || { echo "First: cargo install --locked cargo-deny" >&2; exit 1; }
	cargo deny $(CARGOFLAGS) --workspace check $(CHECKS)
	cargo deny $(CARGOFLAGS) --manifest-path fuzz/Cargo.toml --config deny.toml check $(CHECKS)

## bench               what a login costs, beside others; LONG=1, BENCH=daemon
bench: need-test build
	$(if $(filter daemon,$(BENCH)),,cargo bench $(CARGOFLAGS) -p pam_twofactor --bench compare $(root_runner) -- $(if $(LONG),--long))
	$(if $(filter compare,$(BENCH)),,cargo bench $(CARGOFLAGS) -p pam_twofactor --bench daemon $(root_runner))

## bench-uniform       whether the time of a refusal tells who has a device
bench-uniform: need-test build
	cargo bench $(CARGOFLAGS) -p pam_twofactor --bench uniform $(root_runner)

## budget, manual      write tests/data/budget.toml, docs/man/twofactor.8
# One thread: the tests write to one file.
budget: need-test harness
	BUDGET_WRITE=1 $(test_module) --test module -- budget:: --test-threads=1
	@grep -v '^#' tests/data/budget.toml

manual: need-build rust
	MANUAL_WRITE=1 cargo test $(CARGOFLAGS) --quiet -p twofactor --lib manual_page::

## demo, pictures      a login through real sshd, to watch or as SVG; INTERACTIVE=1
demo: need-demo build
	INTERACTIVE='$(INTERACTIVE)' cargo run $(CARGOFLAGS) --quiet $(root_runner) -p harness --example demo

pictures: need-demo need-browser build
	cargo run $(CARGOFLAGS) --quiet $(root_runner) -p harness --example pictures
	scripts/axe $(target)/axe.min.js
	PICTURES_WRITE=1 $(test_module) --features browser-tests --test cockpit page::looks

## dist, deb, rpm      source archive, packages; release: all, tried, with sums
dist: need-dist rust
	scripts/dist $(target)/dist

deb: need-deb rust
	cargo fetch $(CARGOFLAGS)
	scripts/deb $(target)/deb
	@echo "Built:" $(target)/deb/*.deb
	@echo "To install the module and the command: sudo apt install $$(realpath $(target)/deb/libpam-twofactor_*.deb)"

rpm: need-rpm dist
	packaging/rpm/build $(target)

release: need-system deb rpm
	$(as_root) scripts/release $(target)

## install, uninstall  policy and devices are kept; DESTDIR= PREFIX= PAMDIR=
install install-files uninstall:
	@scripts/install $@

## clean               removes what was built
# What tests have made there as root, only root can remove.
clean:
	@rm -rf --one-file-system $(target)/system $(target)/tmp 2>/dev/null || \
		$(as_root) rm -rf --one-file-system $(target)/system $(target)/tmp
	cargo clean

help:
	@sed -n 's/^## //p' Makefile
