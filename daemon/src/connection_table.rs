//! The table of all open connections, in which each one has its place.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::net::SendFlags;
use twofactor_core::log::event::LoginEvent;
use twofactor_protocol::reply::ServiceError;
use twofactor_store::sys::accounts;

use crate::admission::{
    AdmittedConnection, EvictedConnection, NoPlace, OpenConnections, PlaceOwner,
};
use crate::daemon_log;

/// The open connections, shared by all threads.
#[derive(Clone, Default)]
pub struct ConnectionTable(Arc<Mutex<OpenConnections<Arc<UnixStream>>>>);

impl ConnectionTable {
    /// The connections of a socket that root alone may open: all places are root's.
    pub fn of_root() -> Self {
        Self(Arc::new(Mutex::new(OpenConnections::of_root())))
    }

    /// Admits a connection of `uid`. One that gives way gets the error `Busy`, and has to be ended.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub fn admit(&self, uid: u32, stream: &Arc<UnixStream>) -> Result<SharedAdmission, NoPlace> {
        let AdmittedConnection { number, evicted } =
            self.locked().admit(uid, Arc::clone(stream))?;
        if let Some(evicted) = &evicted {
            refuse(&evicted.handle, ServiceError::Busy);
        }
        let connections = self.clone();
        Ok(SharedAdmission {
            place: ConnectionPlace {
                connections,
                number,
                uid,
            },
            evicted,
        })
    }

    /// Ends all connections for their clients' messages. What has arrived before is still read and answered.
    pub fn end_reading(&self) {
        for stream in self.locked().handles() {
            let _ = stream.shutdown(Shutdown::Read);
        }
    }

    /// True if no connection is open.
    pub fn is_empty(&self) -> bool {
        self.locked().is_empty()
    }

    /// A poisoned lock is used: each change is one call, so the counts are right after a panic.
    fn locked(&self) -> MutexGuard<'_, OpenConnections<Arc<UnixStream>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An admitted connection among the shared ones.
pub struct SharedAdmission {
    /// Its place.
    pub place: ConnectionPlace,
    /// The connection that lost its place for it. It waits for a message, and has been told that there is none to come.
    pub evicted: Option<EvictedConnection<Arc<UnixStream>>>,
}

/// The place of one connection; given back when this is dropped, also in a panic.
pub struct ConnectionPlace {
    connections: ConnectionTable,
    number: u64,
    uid: u32,
}

impl ConnectionPlace {
    /// The number of the connection; later ones have higher numbers.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Keeps the place while a message is answered, if the uid has an account.
    ///
    /// # Errors
    /// The error for the client, if it gets one.
    pub fn begin_answer(&self) -> Result<(), Option<ServiceError>> {
        let owner = self.connections.locked().begin_answer(self.number);
        match owner {
            // It got its error when it lost its place.
            None => Err(None),
            Some(PlaceOwner::Known) => Ok(()),
            Some(PlaceOwner::Stranger) => {
                self.look_up_account()?;
                self.connections.locked().recognize(self.number);
                Ok(())
            }
        }
    }

    /// Waits for the next message.
    pub fn end_answer(&self) {
        self.connections.locked().end_answer(self.number);
    }

    /// An unreachable name service does not prove that there is no account.
    fn look_up_account(&self) -> Result<(), ServiceError> {
        match accounts::by_uid(self.uid) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => {
                daemon_log::refused(self.uid, LoginEvent::NoAccount);
                Err(ServiceError::NotYours)
            }
            Err(error) => {
                daemon_log::not_looked_up(self.uid, &error);
                Err(ServiceError::Unavailable)
            }
        }
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        self.connections.locked().close(self.number);
    }
}

/// Sends the reason why a client is not served, if that does not block.
pub fn refuse(stream: &UnixStream, error: ServiceError) {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    let _ = rustix::net::send(stream, &error.message(), flags);
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn what_has_arrived_is_read_after_the_end() {
        let connections = ConnectionTable::default();
        let (served, mut client) = UnixStream::pair().unwrap();
        let served = Arc::new(served);
        let _place = connections.admit(1000, &served).unwrap().place;
        client.write_all(b"before").unwrap();
        connections.end_reading();
        assert!(client.write_all(b"after").is_err());
        let mut message = String::new();
        served.as_ref().read_to_string(&mut message).unwrap();
        assert_eq!(message, "before");
        served.as_ref().write_all(b"answer").unwrap();
        let mut answer = [0; 6];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"answer");
    }
}
