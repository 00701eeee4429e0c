//! An attempt from its first request to its end.

use std::time::Duration;

use super::outage_reason::OutageReason;
use super::patient_read::patient;
use super::shared_attempt::{AttemptJudge, AttemptStep, FleetAttempt, WriteEnd};
use crate::etcd::etcd_gateway::{EtcdGateway, TimeLeft};
use crate::etcd::gateway_fault::GatewayFault;
use crate::etcd::gateway_message::AttemptKeys;

/// Pause after a write without an answer.
const PAUSE: Duration = Duration::from_millis(10);

/// Runs an attempt to its end, within the time.
///
/// # Errors
/// [`OutageReason`]: nothing may be concluded about the code, nor about the user.
pub fn run<J: AttemptJudge>(
    gateway: &EtcdGateway,
    keys: &AttemptKeys,
    attempt: &mut FleetAttempt<'_, J>,
    time: &dyn TimeLeft,
) -> Result<J::End, OutageReason> {
    let mut step = AttemptStep::Read;
    let mut refused: Option<GatewayFault> = None;
    loop {
        step = match step {
            AttemptStep::Ended(end) => return Ok(end),
            AttemptStep::Outage(reason) => return Err(reason),
            AttemptStep::Read => match gateway.read(keys, time) {
                Ok(view) => attempt.after_read(view),
                Err(fault) => {
                    let fault = fault.after(refused.as_ref());
                    return Err(OutageReason::Unreachable(fault));
                }
            },
            AttemptStep::ReadRecord => {
                let key = &keys.record;
                let values = patient(time, || gateway.values(std::slice::from_ref(key), time))?;
                let sealed = values.first().and_then(|(_, value)| value.as_deref());
                attempt.after_record(key, sealed)
            }
            AttemptStep::Write(write) => {
                let written = gateway.write(keys, &write.base, &write.state, time);
                attempt.after_write(match written {
                    Ok(answer) => WriteEnd::Answered(answer),
                    Err(fault) => {
                        let end = match fault {
                            GatewayFault::NotSent(_) => WriteEnd::NotSent,
                            GatewayFault::Unknown(_) => WriteEnd::Unknown,
                        };
                        refused = Some(fault.after(refused.as_ref()));
                        // A store that is full refuses each write at once.
                        time.pause(PAUSE);
                        end
                    }
                })
            }
        };
    }
}
