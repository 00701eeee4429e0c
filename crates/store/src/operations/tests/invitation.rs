//! Invitations, of one user and of one of many.

use super::*;
use crate::files::tests::in_own_process;
use crate::files::tests::limits::FileSize;

#[test]
fn an_invitation_replaces_an_earlier_one() {
    let (_scratch, store) = with(&[]);
    invited(&factor(&store), NOW + 60).unwrap();
    let first = record(&store).invite.unwrap();
    let code = invited(&factor(&store), NOW + 90).unwrap();
    let second = record(&store).invite.unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!((second.expires, code.grouped().len()), (NOW + 90, 19));
    assert!(!record(&store).is_enrolled());
}

#[test]
fn an_enrolled_user_is_not_invited() {
    let (scratch, store) = with(&[phone()]);
    let before = kept(&scratch);
    let enrolled = refused(ChangeCause::AlreadyEnrolled);
    assert_eq!(invited(&factor(&store), NOW).err(), Some(enrolled.clone()));
    assert_eq!(withdraw_invitation(&factor(&store)), Err(enrolled));
    assert_eq!(kept(&scratch), before);
}

#[test]
fn a_withdrawn_invitation_leaves_nothing() {
    let (scratch, store) = with(&[]);
    let none = refused(ChangeCause::NotInvited);
    assert_eq!(withdraw_invitation(&factor(&store)), Err(none));
    assert_eq!(kept(&scratch), NOTHING);
    invited(&factor(&store), NOW + 60).unwrap();
    withdraw_invitation(&factor(&store)).unwrap();
    assert_eq!(kept(&scratch), NOTHING);
}

/// Many are withdrawn at once, most of users who have none.
#[test]
fn no_state_is_made_to_withdraw_nothing() {
    if !in_own_process("operations::tests::invitation::no_state_is_made_to_withdraw_nothing") {
        return;
    }
    let (_scratch, store) = with(&[]);
    let _limited = FileSize::limited_to(100);
    let none = refused(ChangeCause::NotInvited);
    assert_eq!(withdraw_invitation(&factor(&store)), Err(none));
}

/// A hand-over that notes the codes, or fails.
struct Handing(Result<Vec<String>, ChangeError>);

impl ChangeSteps for Handing {
    type Error = ChangeError;

    fn deliver(&mut self, codes: &[PlainCode]) -> Result<(), ChangeError> {
        let kept = self.0.as_mut().map_err(|error| error.clone())?;
        kept.extend(codes.iter().map(|code| code.grouped().to_string()));
        Ok(())
    }
}

fn one_of_many(
    store: &FactorStore,
    policy: &str,
    handing: &mut Handing,
) -> Result<String, ChangeError> {
    let policy = format!("enabled = true\n{policy}").parse().unwrap();
    let terms = InvitationTerms {
        now: NOW,
        expires: NOW + 60,
        earlier: EarlierInvitation::Keep,
    };
    let mut groups = crate::account_rules::KnownGroups::default();
    let result = invite_one_of_many(
        &factor(store),
        (&policy, &alice()),
        &mut groups,
        terms,
        handing,
    )?;
    Ok(match result {
        InvitationResult::Issued(code) => code.grouped().to_string(),
        InvitationResult::Kept { expires } => format!("kept {}", expires - NOW),
        InvitationResult::Enrolled => "enrolled".to_owned(),
        InvitationResult::Exempt => "exempt".to_owned(),
    })
}

#[test]
fn one_of_many_is_invited_once() {
    let (scratch, store) = with(&[]);
    let mut handing = Handing(Ok(Vec::new()));
    let code = one_of_many(&store, "", &mut handing).unwrap();
    assert_eq!(handing.0, Ok(vec![code]));
    let before = kept(&scratch);
    let again = one_of_many(&store, "", &mut Handing(Ok(Vec::new())));
    assert_eq!(again, Ok("kept 60".to_owned()));
    assert_eq!(kept(&scratch), before);
    // One that has expired is no invitation.
    invited(&factor(&store), NOW).unwrap();
    let anew = one_of_many(&store, "", &mut Handing(Ok(Vec::new()))).unwrap();
    assert_eq!(anew.len(), 19);
}

#[test]
fn enrolled_and_exempt_users_are_passed_over() {
    let (scratch, store) = with(&[]);
    let exempt = "[[exempt]]\nusers = [\"alice\"]\n";
    let mut handing = Handing(Ok(Vec::new()));
    let result = one_of_many(&store, exempt, &mut handing);
    assert_eq!(result, Ok("exempt".to_owned()));
    assert_eq!(kept(&scratch), NOTHING);
    enroll_devices(&store, &alice(), &[phone()]);
    let before = kept(&scratch);
    let result = one_of_many(&store, "", &mut handing);
    assert_eq!(result, Ok("enrolled".to_owned()));
    assert_eq!((handing.0, kept(&scratch)), (Ok(Vec::new()), before));
}

#[test]
fn a_code_that_is_not_handed_over_does_not_count() {
    let (scratch, store) = with(&[]);
    let error = refused(ChangeCause::NotEnrolled);
    let result = one_of_many(&store, "", &mut Handing(Err(error.clone())));
    assert_eq!(result, Err(error));
    assert_eq!(kept(&scratch), NOTHING);
    assert!(logged().is_empty());
}
