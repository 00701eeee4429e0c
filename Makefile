# make help lists what there is. Needs Rust (Cargo.toml says which) and, on Debian and Ubuntu, nothing else: what is
# missing is installed, saying so first.

PREFIX    = /usr/local
# Where libpam looks for modules: beside pam_unix.so.
PAMDIR    = $(shell scripts/pam-directory)
POLICYDIR = /etc/security
STATEDIR  = /var/lib/twofactor
DOCDIR    = $(PREFIX)/share/doc/pam_twofactor
EXAMPLEDIR = $(DOCDIR)/pam.d
# Policies after published standards, beside the example stacks.
POLICIESDIR = $(dir $(EXAMPLEDIR))policies
# Where the policy lies as it was delivered.
DEFAULTDIR = $(DOCDIR)
MANDIR    = $(PREFIX)/share/man
BASHDIR   = $(PREFIX)/share/bash-completion/completions
ZSHDIR    = $(PREFIX)/share/zsh/site-functions
FISHDIR   = $(PREFIX)/share/fish/vendor_completions.d
# What opens the sandboxes of others to the module. systemd and AppArmor look there, whatever PREFIX is.
UNITDIR   = /usr/lib/systemd/system
POLKITDIR = $(UNITDIR)/polkit-agent-helper@.service.d
APPARMORDIR = /etc/apparmor.d/abstractions/authentication.d

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
	libpam-google-authenticator libpam-oath apparmor sasl2-bin opendoas e2fsprogs xfsprogs btrfs-progs g++ man-db mandoc
# Ubuntu has Chromium as a snap only; there, Google Chrome and its chromedriver do as well.
chromium         = $(if $(shell command -v chromedriver),,chromium chromium-driver)
# dh, dpkg-buildpackage and what they need.
deb_packages    = $(build_packages) debhelper dpkg-dev
# The root of the tests of the package, and what looks at the package.
system_packages = $(deb_packages) lintian debootstrap util-linux
app_packages     = $(test_packages) dovecot-imapd vsftpd openvpn openssl python3 i3lock xsecurelock lightdm lightdm-gtk-greeter dbus xvfb xdotool
browser_packages = $(test_packages) cockpit-ws cockpit-bridge cockpit-system $(chromium)

# Tests that need root get it: each test program runs under sudo when make does not run as root.
ifneq ($(shell id -u),0)
as_root     = sudo
root_runner = --config 'target."cfg(all())".runner = ["sudo", "-E"]'
mutants_runner = --cargo-arg=--config --cargo-arg='target."cfg(all())".runner = ["sudo", "-E"]'
endif

.PHONY: build docs test test-browser test-apps test-system fuzz sanitize miri deny dist rpm test-dist test-rpm demo bench budget bench-uniform faults races mutants coverage deb install install-policy-check install-mark install-files uninstall clean help
.DEFAULT_GOAL = docs
# Order matters to `make test-rpm` and `make install`; cargo and debhelper use all cores by themselves.
.NOTPARALLEL:

## build        the module and the command
# One package at a time: building the whole workspace at once would unify features, and asking for the module together
# with the library would drop its link-time optimisation.
build:
	@scripts/need $(build_packages)
	@scripts/rust
	cargo build $(CARGOFLAGS) --release -p twofactor
	cargo rustc $(CARGOFLAGS) --release -p pam_twofactor --lib --crate-type cdylib
	install -m 0755 $(release)/libpam_twofactor.so $(module)
	@echo "Built $(module) and $(command)"

## docs         the same, with manual pages and shell completions, in target/man and target/completions (the default)
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
	scripts/unit-tests $(CARGOFLAGS)
	cargo test $(CARGOFLAGS) --workspace --tests --no-fail-fast $(root_runner)
	fuzz/run short

## test-browser logins and enrolment on Cockpit's page, in Chromium
test-browser:
	@scripts/need $(browser_packages)
	@$(MAKE) --no-print-directory build
	cargo test $(CARGOFLAGS) -p pam_twofactor --features browser-tests --test cockpit_page $(root_runner)

## test-apps    Dovecot, vsftpd, openvpn, i3lock and LightDM with password and code; installs them, and starts them on
##              private machines only
test-apps:
	@scripts/need $(app_packages)
	@$(MAKE) --no-print-directory build
	cargo build $(CARGOFLAGS) -p harness
	cargo test $(CARGOFLAGS) -p pam_twofactor --features app-tests --test apps $(root_runner)

## test-system  the Debian package: lintian, the same bytes from two builds, and its life in a clean root of this release
##              that debootstrap fetches once
test-system:
	@scripts/need $(system_packages)
	@$(MAKE) --no-print-directory deb
	lintian --allow-root --pedantic --fail-on error,warning,pedantic $(target)/deb/*.changes
	scripts/deb $(target)/system/again >$(target)/system-again.log 2>&1 || { tail -n 50 $(target)/system-again.log; exit 1; }
	cmp $(target)/deb/*.deb $(target)/system/again/*.deb
	$(as_root) scripts/system-root $(target)/system
	scripts/deb-before-marks $(target)/system/before
	cargo test $(CARGOFLAGS) -p pam_twofactor --features system-tests --test package $(root_runner) -- --test-threads=2

## fuzz         every parser, and whole logins against a model of the rules, for 60 s each
##              (make fuzz TARGET=policy RUNS=1000000, or SECONDS=3600)
fuzz:
	@scripts/need $(fuzz_packages)
	@scripts/rust
	fuzz/run long --runs '$(RUNS)' --seconds '$(SECONDS)' $(TARGET)

## dist         the source archive with all dependencies, in target/dist; builds without network access
dist:
	@scripts/need git
	@scripts/rust
	scripts/dist $(target)/dist

## rpm          the RPM for Fedora and RHEL, in target/rpm, from that archive
rpm: dist
	@scripts/need $(build_packages) rpm
	packaging/rpm/build $(target)

## test-dist    the archive is the same when made twice, and builds without network access
test-dist:
	@scripts/need $(build_packages) git util-linux binutils
	@scripts/rust
	tests/packages/dist $(target)

## test-rpm     the RPM holds what it should, and refuses to go while a PAM file names the module
test-rpm: rpm docs
	@scripts/need binutils checkpolicy cpio
	tests/packages/rpm $(target)

## sanitize     the unit tests under AddressSanitizer
# A stable compiler has its runtime, and lets itself be persuaded. Leaks are not looked for: a panic's payload is forgotten
# on purpose.
sanitize:
	@scripts/need $(test_packages)
	RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address ASAN_OPTIONS=detect_leaks=0 cargo test $(CARGOFLAGS) -p pam_twofactor --lib \
		--target $$(rustc -vV | sed -n 's/^host: //p') --target-dir $(target)/sanitize $(root_runner)

## miri         unit tests under Miri: what makes no system calls, the allocator, the memory that is shared with libpam and the
##              C library; needs a nightly Rust with Miri (make miri TESTS=policy takes a part)
CARGO_MIRI = cargo +nightly miri
# What Miri has not all system calls for, or only without its isolation: files, locks, processes, the time of day.
# And what forgets the payload of a panic, which is a leak on purpose.
miri_without = check::tests:: store::tests:: pam::tests::rows:: pam::tests::tries:: pam::tests::one_field:: \
	pam::tests::a_panic sys::clock::tests::clocks_go sys::lock:: sys::local_time::
# What computes codes, reads policies or draws symbols by the hundred: hours of it. The same functions run in the tests beside these.
miri_long = $(addprefix verify::tests::,clients:: clock:: guessing:: hotp:: input:: last_code:: model:: properties:: published:: scratch:: \
	throttling:: window:: devices::every_algorithm once::a_new_set unlock::a_learned) otp::tests::both \
	state::codec::tests::a_torn state::codec::tests::every_flipped \
	$(addprefix policy::schema::tests::,robust::no_text robust::deep values::commented) \
	$(addprefix qr::tests::,a_common ascii_output every_style plain_output the_quiet)
miri:
	@$(CARGO_MIRI) --version >/dev/null 2>&1 || { echo "First: rustup toolchain install nightly --component miri,rust-src" >&2; exit 1; }
	$(CARGO_MIRI) test $(CARGOFLAGS) -p pam_twofactor --lib -- $(TESTS) $(addprefix --skip ,$(miri_without) $(miri_long))

## deny         licences, origin and known vulnerabilities of all dependencies; needs cargo-deny and the network
##              (make deny CHECKS='licenses bans sources' does without the network)
CHECKS = all
deny:
	@cargo deny --version >/dev/null 2>&1 || { echo "First: cargo install --locked cargo-deny" >&2; exit 1; }
	cargo deny $(CARGOFLAGS) --workspace check $(CHECKS)
	cargo deny $(CARGOFLAGS) --manifest-path fuzz/Cargo.toml --config deny.toml check $(CHECKS)

## demo         a login with password and code through a real sshd, in a private corner of this machine
##              (make demo INTERACTIVE=1 keeps it open for your phone)
demo:
	@scripts/need $(demo_packages)
	@$(MAKE) --no-print-directory build
	@INTERACTIVE='$(INTERACTIVE)' demo/run $(module) $(command)

## bench        what a login costs, side by side with google-authenticator and pam_oath; under 10 minutes
##              (make bench LONG=1 also enrols 1,000,000 users, which needs 10 GB)
bench:
	@scripts/need $(test_packages)
	@$(MAKE) --no-print-directory build
	cargo bench $(CARGOFLAGS) -p pam_twofactor --bench compare $(root_runner) -- $(if $(LONG),--long)

## budget       writes down anew what the module costs (tests/data/budget.toml), where a change is meant to cost more or less
# One at a time: they write to one file.
budget:
	@scripts/need $(test_packages)
	@$(MAKE) --no-print-directory build
	cargo build $(CARGOFLAGS) -p harness
	BUDGET_WRITE=1 cargo test $(CARGOFLAGS) -p pam_twofactor --test budget $(root_runner) -- --test-threads=1
	@grep -v '^#' tests/data/budget.toml

## bench-uniform whether the time of a refusal tells who has a device, under uniform_prompt (9 minutes)
bench-uniform:
	@scripts/need $(test_packages)
	@$(MAKE) --no-print-directory build
	cargo bench $(CARGOFLAGS) -p pam_twofactor --bench uniform $(root_runner)

## faults       each system call of a login and of a change goes wrong in turn; prints a table of what came of it
##              (takes half an hour; make faults EVERY=7 takes each seventh fault)
EVERY = 1
faults:
	@scripts/need $(test_packages)
	@$(MAKE) --no-print-directory build
	cargo build $(CARGOFLAGS) -p harness
	FAULTS_EVERY=$(EVERY) cargo test $(CARGOFLAGS) -p pam_twofactor --features whole-sweeps --test faults --test callers $(root_runner) \
		-- --nocapture --test-threads=2

## mutants      changes the verdict, the policy, the store and the login flow in each small way, and runs the unit tests
##              on each; prints what no test noticed (two to three hours; make mutants FILES=src/verify/scan.rs takes one file)
mutants:
	@scripts/need $(build_packages)
	@scripts/rust
	@command -v cargo-mutants >/dev/null || cargo install --locked cargo-mutants
	mkdir -p $(target)
	cargo mutants --package pam_twofactor --output $(target) $(addprefix --re ^,$(FILES)) $(mutants_runner)

## coverage     which lines of src/ the tests run, by file
coverage:
	@scripts/need $(test_packages)
	@scripts/rust
	COVERAGE_RUNNER='$(subst --config ,,$(subst ',,$(root_runner)))' scripts/coverage $(target)/coverage

## races        logins and changes at the same moment, in many rounds
races:
	@scripts/need $(test_packages)
	@$(MAKE) --no-print-directory build
	cargo build $(CARGOFLAGS) -p harness
	cargo test $(CARGOFLAGS) -p pam_twofactor --features whole-sweeps --test races --test at_once $(root_runner) \
		-- --nocapture --test-threads=1

## deb          the Debian package, in target/deb; made in a copy of the sources, by any user
deb:
	@scripts/need $(deb_packages)
	@scripts/rust
	cargo fetch $(CARGOFLAGS)
	scripts/deb $(target)/deb
	@echo "Built $$(ls $(target)/deb/*.deb). To install it: sudo apt install ./$$(ls $(target)/deb/*.deb)"

## install      module, command, manual, completions, policy (switched off), state directory, example stacks; changes
##              nobody's login. DESTDIR, PREFIX and PAMDIR say where to; needs `make` first
install: install-policy-check install-mark install-files
	umask 022 && mkdir -p $(DESTDIR)$(POLICYDIR) $(DESTDIR)$(dir $(STATEDIR))
	mkdir -p -m 0700 $(DESTDIR)$(STATEDIR)
	mkdir -p -m 0700 $(DESTDIR)$(STATEDIR)/users $(DESTDIR)$(STATEDIR)/state
	@test -e $(policy) || test -L $(policy) || install -m 0644 src/policy/default.toml $(policy)
	@test -n "$(DESTDIR)" || ! ls $(STATEDIR)/mark-* >/dev/null 2>&1 || $(initialize)
	@echo "Installed. Nobody is asked for a code yet: README.md says how to go on."

policy = $(DESTDIR)$(POLICYDIR)/twofactor.toml

# The new module refuses a state directory without a mark: one that has never had any gets it before the module is replaced,
# and is looked through once more afterwards, for who was enrolled meanwhile. One that has lost its mark is the wrong one.
initialize = $(command) --policy $(policy) --state $(STATEDIR) init >/dev/null
install-mark:
	@test -n "$(DESTDIR)" || grep -qs ' $(STATEDIR)$$' $(POLICYDIR)/twofactor.id || { mkdir -p $(POLICYDIR) && $(initialize); }

# A policy that is missing refuses everybody; a new one would let everybody in without a code.
install-policy-check:
	@used=$$(scripts/naming-module '$(DESTDIR)'); \
	if [ -n "$$used" ] && [ ! -e $(policy) ] && [ ! -L $(policy) ]; then \
		printf '%s\n' "$$used" "These files name the module, and $(policy) is missing: everybody is refused there." \
			"Nothing is installed. Put the policy back first; to ask nobody for a code:" \
			"    install -D -m 0644 src/policy/default.toml $(policy)" >&2; \
		exit 1; \
	fi

manuals     = $(wildcard $(target)/man/*.[58])
completions = $(target)/completions
# README.md, and what it links to.
readme      = README.md CHANGELOG.md SECURITY.md CONTRIBUTING.md
documents   = $(wildcard docs/*.md docs/*.svg)

# What a package contains: everything but the policy and the state. The module is renamed into place, so that no login
# finds half of it.
install-files:
	@for file in $(module) $(command) $(target)/man/pam_twofactor.8 $(target)/man/twofactor.8 $(target)/man/twofactor.toml.5 \
		$(completions)/twofactor.bash $(completions)/_twofactor $(completions)/twofactor.fish; do \
		test -f $$file || { echo "$$file is missing. Run first: make" >&2; exit 1; }; \
	done
	@test -n "$(PAMDIR)" || { echo "No pam_unix.so found. Say where modules belong: make install PAMDIR=..." >&2; exit 1; }
	umask 022 && mkdir -p $(addprefix $(DESTDIR),$(PAMDIR) $(PREFIX)/bin $(DOCDIR)/docs $(EXAMPLEDIR) $(POLICIESDIR) $(DEFAULTDIR) \
		$(MANDIR)/man5 $(MANDIR)/man8 $(BASHDIR) $(ZSHDIR) $(FISHDIR) $(POLKITDIR) $(APPARMORDIR))
	install -m 0644 $(module) $(DESTDIR)$(PAMDIR)/.pam_twofactor.so.new
	mv -f $(DESTDIR)$(PAMDIR)/.pam_twofactor.so.new $(DESTDIR)$(PAMDIR)/pam_twofactor.so
	install -m 0755 $(command) $(DESTDIR)$(PREFIX)/bin/twofactor
	install -m 0644 $(filter %.5,$(manuals)) $(DESTDIR)$(MANDIR)/man5
	install -m 0644 $(filter %.8,$(manuals)) $(DESTDIR)$(MANDIR)/man8
	install -m 0644 $(completions)/twofactor.bash $(DESTDIR)$(BASHDIR)/twofactor
	install -m 0644 $(completions)/_twofactor $(DESTDIR)$(ZSHDIR)/_twofactor
	install -m 0644 $(completions)/twofactor.fish $(DESTDIR)$(FISHDIR)/twofactor.fish
	install -m 0644 $(readme) $(DESTDIR)$(DOCDIR)
	install -m 0644 $(documents) $(DESTDIR)$(DOCDIR)/docs
	install -m 0644 src/policy/default.toml $(DESTDIR)$(DEFAULTDIR)/twofactor.toml
	install -m 0644 pam.d/* $(DESTDIR)$(EXAMPLEDIR)
	install -m 0644 docs/policies/* $(DESTDIR)$(POLICIESDIR)
	install -m 0644 packaging/systemd/polkit-agent-helper.conf $(DESTDIR)$(POLKITDIR)/twofactor.conf
	install -m 0644 packaging/apparmor/twofactor $(DESTDIR)$(APPARMORDIR)/twofactor

## uninstall    removes what install installed, but no policy and no device; refuses while a stack names the module,
##              and where the module belongs to a package
uninstall:
	@test -n "$(PAMDIR)" || { echo "No pam_unix.so found. Say where modules belong: make uninstall PAMDIR=..." >&2; exit 1; }
	@for owner in 'dpkg-query -S' 'rpm -qf'; do \
		if [ -z "$(DESTDIR)" ] && $$owner $(PAMDIR)/pam_twofactor.so >/dev/null 2>&1; then \
			echo "$(PAMDIR)/pam_twofactor.so belongs to a package ($$owner says which). Remove that instead." >&2; \
			exit 1; \
		fi; \
	done
	@used=$$(scripts/naming-module '$(DESTDIR)'); \
	if [ -n "$$used" ]; then \
		printf '%s\n' "$$used" \
			"These files still name the module, and without it nobody could log in there. Change them first." >&2; \
		exit 1; \
	fi
	rm -f $(addprefix $(DESTDIR),$(PAMDIR)/pam_twofactor.so $(PREFIX)/bin/twofactor $(MANDIR)/man5/twofactor.toml.5 \
		$(MANDIR)/man8/pam_twofactor.8 $(MANDIR)/man8/twofactor.8 \
		$(BASHDIR)/twofactor $(ZSHDIR)/_twofactor $(FISHDIR)/twofactor.fish $(POLKITDIR)/twofactor.conf $(APPARMORDIR)/twofactor)
	rm -f $(DESTDIR)$(MANDIR)/man8/twofactor-*.8
	rm -f $(addprefix $(DESTDIR)$(DOCDIR)/,$(readme)) $(DESTDIR)$(DEFAULTDIR)/twofactor.toml
	rm -f $(addprefix $(DESTDIR)$(DOCDIR)/,$(documents))
	rm -f $(addprefix $(DESTDIR)$(EXAMPLEDIR)/,$(notdir $(wildcard pam.d/*)))
	rm -f $(addprefix $(DESTDIR)$(POLICIESDIR)/,$(notdir $(wildcard docs/policies/*)))
	for directory in $(addprefix $(DESTDIR),$(POLKITDIR) $(APPARMORDIR) $(EXAMPLEDIR) $(POLICIESDIR) $(DEFAULTDIR) $(DOCDIR)/docs $(DOCDIR)); do \
		test ! -d $$directory || rmdir --ignore-fail-on-non-empty $$directory; \
	done
	@echo "Kept: $(DESTDIR)$(POLICYDIR)/twofactor.toml and $(DESTDIR)$(STATEDIR) (the users' devices)."

## clean        removes everything that was built
# What tests have made there as root, only root can remove.
clean:
	@for directory in $(target)/system $(target)/tmp; do \
		test ! -e $$directory || rm -rf --one-file-system $$directory 2>/dev/null || \
			$(as_root) rm -rf --one-file-system $$directory; \
	done
	cargo clean

## help         this list
help:
	@sed -n 's/^## \{0,1\}//p' Makefile
