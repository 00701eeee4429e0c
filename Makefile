# make help lists what there is. Needs Rust (Cargo.toml says which) and, on Debian and Ubuntu, nothing else: what is
# missing is installed, saying so first.

PREFIX    = /usr/local
# Where libpam looks for modules: beside pam_unix.so.
PAMDIR    = $(shell scripts/pam-directory)
POLICYDIR = /etc/security
STATEDIR  = /var/lib/twofactor
DOCDIR    = $(PREFIX)/share/doc/pam_twofactor

# Versions are the tested ones of Cargo.lock; empty it to let cargo change them.
CARGOFLAGS = --locked

# rustup's directory, for shells that have not read its environment yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

target  = $(or $(CARGO_TARGET_DIR),target)
release = $(target)/release
module  = $(release)/pam_twofactor.so
command = $(release)/twofactor

build_packages = gcc libc6-dev libpam0g-dev
demo_packages  = $(build_packages) openssh-server openssh-client oathtool libpam-modules passwd perl-base util-linux
fuzz_packages  = $(build_packages) g++
test_packages  = $(demo_packages) sudo login binutils valgrind strace zbar-tools imagemagick librsvg2-bin rsync procps \
	libpam-google-authenticator libpam-oath e2fsprogs xfsprogs g++ man-db mandoc
# Ubuntu has Chromium as a snap only; there, Google Chrome and its chromedriver do as well.
chromium         = $(if $(shell command -v chromedriver),,chromium chromium-driver)
browser_packages = $(test_packages) cockpit-ws cockpit-bridge cockpit-system $(chromium)

# Tests that need root get it: each test program runs under sudo when make does not run as root.
ifneq ($(shell id -u),0)
root_runner = --config 'target."cfg(all())".runner = ["sudo", "-E"]'
endif

.PHONY: build docs test test-browser fuzz demo bench faults races install uninstall clean help
.DEFAULT_GOAL = build

## build        the module and the command (the default)
# One package at a time: building the whole workspace at once would unify features, and asking for the module together
# with the library would drop its link-time optimisation.
build:
	@scripts/need $(build_packages)
	@scripts/rust
	cargo build $(CARGOFLAGS) --release -p twofactor
	cargo rustc $(CARGOFLAGS) --release -p pam_twofactor --lib --crate-type cdylib
	install -m 0755 $(release)/libpam_twofactor.so $(module)
	@echo "Built $(module) and $(command)"

## docs         manual pages and shell completions, in target/man and target/completions
docs:
	@$(MAKE) --no-print-directory build
	@mkdir -p $(target)/man $(target)/completions
	install -m 0644 docs/man/pam_twofactor.8 docs/man/twofactor.toml.5 $(target)/man
	$(command) manual > $(target)/man/twofactor.8
	$(command) completions bash > $(target)/completions/twofactor.bash
	$(command) completions zsh > $(target)/completions/_twofactor
	$(command) completions fish > $(target)/completions/twofactor.fish

## test         everything: formatting, lints, build, all tests (as root with sudo)
test:
	@scripts/need $(test_packages)
	@scripts/rust fmt clippy
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy $(CARGOFLAGS) --workspace --all-targets --all-features -- -D warnings
	@$(MAKE) --no-print-directory build
	cargo test $(CARGOFLAGS) --workspace --doc
	cargo test $(CARGOFLAGS) --workspace --lib --bins --tests --no-fail-fast $(root_runner)
	fuzz/run short

## test-browser logins and enrolment on Cockpit's page, in Chromium
test-browser:
	@scripts/need $(browser_packages)
	@$(MAKE) --no-print-directory build
	cargo test $(CARGOFLAGS) -p pam_twofactor --features browser-tests --test cockpit_page $(root_runner)

## fuzz         every parser, and whole logins against a model of the rules, for 60 s each
##              (make fuzz TARGET=policy RUNS=1000000, or SECONDS=3600)
fuzz:
	@scripts/need $(fuzz_packages)
	@scripts/rust
	fuzz/run long --runs '$(RUNS)' --seconds '$(SECONDS)' $(TARGET)

## demo         a login with password and code through a real sshd, in a private corner of this machine
##              (make demo INTERACTIVE=1 keeps it open for your phone)
demo:
	@scripts/need $(demo_packages)
	@$(MAKE) --no-print-directory build
	@INTERACTIVE='$(INTERACTIVE)' demo/run $(module) $(command)

## bench        what a login costs, with 1 and with 100,000 enrolled users
bench:
	@scripts/need $(test_packages)
	@$(MAKE) --no-print-directory build
	cargo bench $(CARGOFLAGS) -p pam_twofactor --bench '*' $(root_runner)

## faults       each system call of a login and of a change goes wrong in turn; prints a table of what came of it
##              (takes an hour or so; make faults EVERY=7 takes each seventh fault)
EVERY = 1
faults:
	@scripts/need $(test_packages)
	@$(MAKE) --no-print-directory build
	cargo build $(CARGOFLAGS) -p harness
	FAULTS_EVERY=$(EVERY) cargo test $(CARGOFLAGS) -p pam_twofactor --features whole-sweeps --test faults --test callers $(root_runner) \
		-- --nocapture --test-threads=2

## races        logins and changes at the same moment, in many rounds
races:
	@scripts/need $(test_packages)
	@$(MAKE) --no-print-directory build
	cargo build $(CARGOFLAGS) -p harness
	cargo test $(CARGOFLAGS) -p pam_twofactor --features whole-sweeps --test races --test at_once $(root_runner) \
		-- --nocapture --test-threads=1

## install      module, command, policy (switched off), state directory, example stacks; changes nobody's login.
##              DESTDIR, PREFIX and PAMDIR say where to; needs `make build` first
install:
	@test -f $(module) && test -f $(command) || { echo "Nothing is built yet. Run first: make build" >&2; exit 1; }
	@test -n "$(PAMDIR)" || { echo "No pam_unix.so found. Say where modules belong: make install PAMDIR=..." >&2; exit 1; }
	umask 022 && mkdir -p $(DESTDIR)$(PAMDIR) $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(POLICYDIR) $(DESTDIR)$(DOCDIR)/pam.d \
		$(DESTDIR)$(dir $(STATEDIR))
	mkdir -p -m 0700 $(DESTDIR)$(STATEDIR)
	mkdir -p -m 0700 $(DESTDIR)$(STATEDIR)/users $(DESTDIR)$(STATEDIR)/state
	install -m 0644 $(module) $(DESTDIR)$(PAMDIR)/.pam_twofactor.so.new
	mv -f $(DESTDIR)$(PAMDIR)/.pam_twofactor.so.new $(DESTDIR)$(PAMDIR)/pam_twofactor.so
	install -m 0755 $(command) $(DESTDIR)$(PREFIX)/bin/twofactor
	install -m 0644 README.md src/policy/default.toml $(DESTDIR)$(DOCDIR)
	install -m 0644 pam.d/* $(DESTDIR)$(DOCDIR)/pam.d
	test -e $(DESTDIR)$(POLICYDIR)/twofactor.toml || \
		install -m 0644 src/policy/default.toml $(DESTDIR)$(POLICYDIR)/twofactor.toml
	@echo "Installed. Nobody is asked for a code yet: README.md says how to go on."

## uninstall    removes what install installed, but no policy and no device; refuses while a stack names the module
uninstall:
	@used=$$(grep -ls '^[^#]*pam_twofactor\.so' $(DESTDIR)/etc/pam.d/* $(DESTDIR)/etc/pam.conf || true); \
	if [ -n "$$used" ]; then \
		printf '%s\n' "$$used" \
			"These files still name the module, and without it nobody could log in there. Change them first." >&2; \
		exit 1; \
	fi
	rm -f $(DESTDIR)$(PAMDIR)/pam_twofactor.so $(DESTDIR)$(PREFIX)/bin/twofactor
	rm -rf $(DESTDIR)$(DOCDIR)
	@echo "Kept: $(DESTDIR)$(POLICYDIR)/twofactor.toml and $(DESTDIR)$(STATEDIR) (the users' devices)."

## clean        removes everything that was built
clean:
	cargo clean

## help         this list
help:
	@sed -n 's/^## \{0,1\}//p' Makefile
