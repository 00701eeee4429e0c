//! The JSON gateway of etcd over HTTP: certificates of both sides, a token, and another member where one does not answer.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use twofactor_store::sys::clock;
use zeroize::Zeroizing;

use super::gateway_fault::{GatewayFault, more_telling};
use super::gateway_message::{AttemptKeys, StoreView, TransactionAnswer};
use super::gateway_settings::tls;
pub use super::gateway_settings::{GatewaySettings, SettingsError};
use super::reply_date;
use super::request_fault::RequestFault;

/// Most bytes of a reply that are read. An attempt needs less than 10 KiB, a page of records some hundred.
const MAX_GATEWAY_REPLY: u64 = 4 * 1024 * 1024;
/// Longest wait for a connection to one member.
const CONNECT: Duration = Duration::from_millis(300);
/// Requests with an unknown end after which the token is a new one.
const SILENCE: usize = 2;
pub(crate) const TRANSACTION: &str = "/v3/kv/txn";
const AUTHENTICATE: &str = "/v3/auth/authenticate";

/// The time that is left for an attempt.
pub trait TimeLeft {
    /// Zero when it is over.
    fn left(&self) -> Duration;
    /// Waits, at most for what is left.
    fn pause(&self, time: Duration);
}

/// A client of the gateway.
pub struct EtcdGateway {
    agent: ureq::Agent,
    endpoints: Vec<String>,
    preferred: AtomicUsize,
    token: Mutex<Option<String>>,
    /// Requests with an unknown end since the last one with an answer.
    unanswered: AtomicUsize,
    /// Seconds by which the clock of the last member that answered is ahead of this host's; `i64::MIN` before.
    ahead: AtomicI64,
    user: String,
    password: Zeroizing<String>,
    request_time: Duration,
}

impl EtcdGateway {
    /// A client with these settings. It connects at the first request.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn new(settings: GatewaySettings) -> Result<Self, SettingsError> {
        if settings.endpoints.is_empty() {
            return Err(SettingsError::NoEndpoint);
        }
        if !settings
            .endpoints
            .iter()
            .all(|it| it.starts_with("https://"))
        {
            return Err(SettingsError::NotEncrypted);
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .https_only(true)
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(settings.request_time))
            .tls_config(tls(&settings)?)
            .build();
        Ok(Self {
            agent: config.into(),
            endpoints: settings.endpoints,
            preferred: AtomicUsize::new(0),
            token: Mutex::new(None),
            ahead: AtomicI64::new(i64::MIN),
            unanswered: AtomicUsize::new(0),
            user: settings.user,
            password: settings.password,
            request_time: settings.request_time,
        })
    }

    /// Reads the values of the keys, all of one revision that no answered write is missing from.
    ///
    /// # Errors
    /// [`GatewayFault`].
    pub fn read(&self, keys: &AttemptKeys, time: &dyn TimeLeft) -> Result<StoreView, GatewayFault> {
        let request = keys.read_request();
        let mut earlier = None;
        loop {
            let answered = self.call(TRANSACTION, &request, time);
            let read = answered.and_then(|reply| keys.read_reply(&reply).map_err(|_| malformed()));
            match read {
                // Reading again does no harm.
                Err(fault @ GatewayFault::Unknown(_)) if !time.left().is_zero() => {
                    earlier = Some(fault.after(earlier.as_ref()));
                    time.pause(Duration::from_millis(10));
                }
                other => return other.map_err(|fault| fault.after(earlier.as_ref())),
            }
        }
    }

    /// Writes a state if all values are those of the base. It is sent to one member, once.
    ///
    /// # Errors
    /// [`GatewayFault`].
    pub fn write(
        &self,
        keys: &AttemptKeys,
        base: &StoreView,
        state: &[u8],
        time: &dyn TimeLeft,
    ) -> Result<TransactionAnswer, GatewayFault> {
        let reply = self.call(TRANSACTION, &keys.write_request(base, state), time)?;
        keys.write_reply(&reply).map_err(|_| malformed())
    }

    /// One request, sent to another member only where it was certainly not done.
    pub(crate) fn call(
        &self,
        path: &str,
        body: &str,
        time: &dyn TimeLeft,
    ) -> Result<String, GatewayFault> {
        let mut has_authenticated = false;
        let mut earlier = None;
        loop {
            if self.token().is_none() {
                self.authenticate(time)?;
                has_authenticated = true;
            }
            let at = self.preferred.load(Ordering::Relaxed);
            match self.post(at, path, body, time) {
                Ok(reply) => {
                    self.unanswered.store(0, Ordering::Relaxed);
                    return Ok(reply);
                }
                Err(RequestFault::Unauthenticated(text)) => {
                    *self.token() = None;
                    if has_authenticated {
                        return Err(GatewayFault::NotSent(text));
                    }
                }
                Err(RequestFault::NotSent(text)) => {
                    self.prefer_next(at);
                    let text = more_telling(earlier.as_deref(), text);
                    earlier = Some(text.clone());
                    if time.left().is_zero() {
                        return Err(GatewayFault::NotSent(text));
                    }
                    time.pause(Duration::from_millis(10));
                }
                Err(RequestFault::Unknown(text)) => {
                    self.prefer_next(at);
                    self.drop_token_of_silence();
                    let text = more_telling(earlier.as_deref(), text);
                    return Err(GatewayFault::Unknown(text));
                }
            }
        }
    }

    /// Addresses of the members.
    pub(crate) fn endpoints(&self) -> &[String] {
        &self.endpoints
    }

    /// One request to one member alone, as it is now.
    pub(crate) fn ask_one(
        &self,
        at: usize,
        path: &str,
        body: &str,
        time: &dyn TimeLeft,
    ) -> Result<String, GatewayFault> {
        self.post(at, path, body, time)
            .map_err(|fault| match fault {
                RequestFault::NotSent(text) | RequestFault::Unauthenticated(text) => {
                    GatewayFault::NotSent(text)
                }
                RequestFault::Unknown(text) => GatewayFault::Unknown(text),
            })
    }

    /// Gets a token; from any member, as often as there is time.
    fn authenticate(&self, time: &dyn TimeLeft) -> Result<(), GatewayFault> {
        // Made without a value of JSON, which would keep the password when it is dropped.
        let body = Zeroizing::new(format!(
            "{{\"name\":{},\"password\":{}}}",
            *quoted(&self.user)?,
            *quoted(&self.password)?
        ));
        let mut earlier = None;
        loop {
            let at = self.preferred.load(Ordering::Relaxed);
            let fault = match self.post(at, AUTHENTICATE, &body, time) {
                Ok(reply) => match token_of(&reply) {
                    Some(token) => {
                        *self.token() = Some(token);
                        return Ok(());
                    }
                    None => "the gateway gives no token".to_owned(),
                },
                // A wrong password stays one.
                Err(RequestFault::Unauthenticated(text)) => {
                    return Err(GatewayFault::NotSent(text));
                }
                Err(RequestFault::NotSent(text) | RequestFault::Unknown(text)) => text,
            };
            self.prefer_next(at);
            let fault = more_telling(earlier.as_deref(), fault);
            earlier = Some(fault.clone());
            if time.left().is_zero() {
                return Err(GatewayFault::NotSent(fault));
            }
            time.pause(Duration::from_millis(10));
        }
    }

    fn post(
        &self,
        at: usize,
        path: &str,
        body: &str,
        time: &dyn TimeLeft,
    ) -> Result<String, RequestFault> {
        let limit = time.left().min(self.request_time);
        if limit.is_zero() {
            return Err(RequestFault::NotSent("the time is over".to_owned()));
        }
        let endpoint = self.endpoints.get(at % self.endpoints.len());
        let url = format!("{}{path}", endpoint.map_or("", String::as_str));
        let mut request = self
            .agent
            .post(url)
            .header("content-type", "application/json");
        if path != AUTHENTICATE
            && let Some(token) = self.token().as_deref()
        {
            request = request.header("authorization", token);
        }
        let request = request.config().timeout_global(Some(limit)).build();
        let mut response = request.send(body).map_err(RequestFault::of_sending)?;
        let date = response.headers().get("date");
        self.note_date(date.and_then(|date| date.to_str().ok()));
        let status = response.status().as_u16();
        let reply = response
            .body_mut()
            .with_config()
            .limit(MAX_GATEWAY_REPLY)
            .read_to_string();
        let reply = reply.map_err(|error| RequestFault::Unknown(error.to_string()))?;
        match status {
            200 => Ok(reply),
            _ => Err(RequestFault::of_reply(status, &reply)),
        }
    }

    /// Seconds by which the clock of the last member that answered is ahead of this host's. `None` where none said its time.
    #[must_use]
    pub fn clock_ahead(&self) -> Option<i64> {
        let ahead = self.ahead.load(Ordering::Relaxed);
        (ahead != i64::MIN).then_some(ahead)
    }

    fn note_date(&self, date: Option<&str>) {
        let there = date.and_then(reply_date::seconds);
        let here = clock::now().ok();
        let ahead = there.zip(here).map(|(there, here)| {
            let there = i64::try_from(there).unwrap_or(i64::MAX);
            there.saturating_sub(i64::try_from(here).unwrap_or(i64::MAX))
        });
        self.ahead
            .store(ahead.unwrap_or(i64::MIN), Ordering::Relaxed);
    }

    /// Gets a new token after some requests without an answer. A token carries the number of a write, and a member waits for that
    /// write before it believes it: one whose data are of a backup would wait for ever.
    fn drop_token_of_silence(&self) {
        let before = self.unanswered.fetch_add(1, Ordering::Relaxed);
        if before + 1 >= SILENCE {
            self.unanswered.store(0, Ordering::Relaxed);
            *self.token() = None;
        }
    }

    fn prefer_next(&self, after: usize) {
        let next = (after + 1) % self.endpoints.len();
        let order = Ordering::Relaxed;
        // Where another thread went on already, its choice stands.
        let _ = self.preferred.compare_exchange(after, next, order, order);
    }

    fn token(&self) -> MutexGuard<'_, Option<String>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A text in JSON.
fn quoted(text: &str) -> Result<Zeroizing<String>, GatewayFault> {
    let quoted = serde_json::to_string(text);
    let quoted = quoted.map_err(|error| GatewayFault::NotSent(error.to_string()))?;
    Ok(Zeroizing::new(quoted))
}

fn token_of(reply: &str) -> Option<String> {
    let reply: Value = serde_json::from_str(reply).ok()?;
    let token = reply.get("token")?.as_str()?;
    (!token.is_empty()).then(|| token.to_owned())
}

pub(crate) fn malformed() -> GatewayFault {
    GatewayFault::Unknown("the gateway gives a malformed reply".to_owned())
}
