//! The walk through a stack: which modules libpam calls, and what it makes of their answers.

use super::control::{ControlAction, ReturnCode};
use super::stack_handler::{HandlerType, ModuleCall, StackHandler};

/// Decision so far.
#[derive(Clone, Copy)]
struct StackStatus {
    impression: StackImpression,
    status: ReturnCode,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StackImpression {
    None,
    Positive,
    Negative,
}

/// A walk through a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DispatchResult {
    /// Status that libpam gives the application.
    pub status: ReturnCode,
    /// The handlers that had their turn, in order.
    pub called: Vec<usize>,
}

/// Walks through a stack as libpam does; `answer` is what the module of a handler returns.
pub fn dispatch(
    handlers: &[StackHandler],
    answer: &mut dyn FnMut(usize, &ModuleCall) -> ReturnCode,
) -> DispatchResult {
    let nothing = StackStatus::of(StackImpression::None);
    let (mut now, mut before) = (nothing, vec![nothing]);
    let (mut called, mut at, mut previous) = (Vec::new(), 0, 0);
    while let Some(handler) = handlers.get(at) {
        let level = handler.level;
        // Status at the beginning of a substack, to return to by `reset`.
        if previous < level {
            before.resize(level + 1, nothing);
            if let Some(place) = before.get_mut(level) {
                *place = now;
            }
        }
        previous = level;
        let code = match &handler.run {
            HandlerType::Substack => {
                at += 1;
                continue;
            }
            HandlerType::Fails(_) => ReturnCode::PERM_DENIED,
            HandlerType::Module(module) => answer(at, module),
        };
        called.push(at);
        let action = handler.control.action(code);
        now = match action {
            ControlAction::Reset => before.get(level).copied().unwrap_or(nothing),
            ControlAction::Ok | ControlAction::Done => now.accept(code),
            ControlAction::Bad | ControlAction::Die => now.refuse(code),
            ControlAction::Ignore | ControlAction::Jump(_) => now,
        };
        at = match action {
            ControlAction::Jump(lines) => {
                let (last, missing) = jump(handlers, at, lines);
                if missing > 0 {
                    now = StackStatus::of(StackImpression::Negative);
                }
                last + 1
            }
            ControlAction::Die => leave(handlers, at),
            ControlAction::Done if now.impression == StackImpression::Positive => {
                leave(handlers, at)
            }
            _ => at + 1,
        };
    }
    let agreed = now.status != ReturnCode::SUCCESS || now.impression == StackImpression::Positive;
    let status = if agreed {
        now.status
    } else {
        ReturnCode::PERM_DENIED
    };
    DispatchResult { status, called }
}

impl StackStatus {
    /// The status before a module has decided, or where none may.
    const fn of(impression: StackImpression) -> Self {
        Self {
            impression,
            status: ReturnCode::PERM_DENIED,
        }
    }

    fn accept(self, code: ReturnCode) -> Self {
        let open = self.impression == StackImpression::None
            || (self.impression == StackImpression::Positive && self.status == ReturnCode::SUCCESS);
        if open {
            Self {
                impression: StackImpression::Positive,
                status: code,
            }
        } else {
            self
        }
    }

    fn refuse(self, code: ReturnCode) -> Self {
        match (self.impression, code) {
            (StackImpression::Negative, _) => self,
            (_, ReturnCode::IGNORE) => Self::of(StackImpression::Negative),
            _ => Self {
                impression: StackImpression::Negative,
                status: code,
            },
        }
    }
}

/// The last handler that a jump passes, and how many lines it lacks. A substack counts as one line, and a jump does not
/// leave the substack it begins in.
fn jump(handlers: &[StackHandler], from: usize, lines: u32) -> (usize, u32) {
    let level = |at: usize| handlers.get(at).map(|handler| handler.level);
    let own = level(from);
    let (mut at, mut left) = (from, lines);
    while left > 0 && level(at + 1).is_some() && level(at + 1) >= own {
        at += 1;
        while level(at + 1).is_some() && level(at + 1) > own {
            at += 1;
        }
        left -= 1;
    }
    (at, left)
}

/// The first handler after the stack or substack in which the decision was made.
fn leave(handlers: &[StackHandler], from: usize) -> usize {
    let own = handlers.get(from).map_or(0, |handler| handler.level);
    let inside = |handler: &&StackHandler| handler.level >= own;
    from + 1 + handlers.iter().skip(from + 1).take_while(inside).count()
}

#[cfg(test)]
mod tests {
    use super::super::stack::tests::auth;
    use super::*;

    /// Modules named after the code they return.
    fn walk(files: &[(&str, &str)]) -> (&'static str, Vec<String>) {
        let handlers = auth(files);
        let mut names = Vec::new();
        let walk = dispatch(&handlers, &mut |_, module| {
            names.push(module.path.clone());
            ReturnCode::named(module.path.split(':').next().unwrap()).unwrap()
        });
        (walk.status.name(), names)
    }

    fn alone(text: &str) -> (&'static str, Vec<String>) {
        walk(&[("test", text)])
    }

    #[test]
    fn required_goes_on_and_requisite_ends() {
        assert_eq!(
            alone("auth required auth_err\nauth required success").1,
            ["auth_err", "success"]
        );
        assert_eq!(
            alone("auth requisite auth_err\nauth required success"),
            ("auth_err", vec!["auth_err".into()])
        );
    }

    #[test]
    fn sufficient_ends_only_where_nothing_failed_before() {
        assert_eq!(
            alone("auth sufficient success\nauth required auth_err"),
            ("success", vec!["success".into()])
        );
        assert_eq!(
            alone("auth required maxtries\nauth sufficient success\nauth required auth_err"),
            (
                "maxtries",
                vec!["maxtries".into(), "success".into(), "auth_err".into()]
            )
        );
    }

    #[test]
    fn a_stack_without_a_decision_is_refused() {
        assert_eq!(alone("auth optional auth_err").0, "perm_denied");
        assert_eq!(alone("auth required ignore").0, "perm_denied");
        assert_eq!(alone("").0, "perm_denied");
    }

    #[test]
    fn jumps_skip_lines_and_too_long_ones_refuse() {
        let text = "auth [success=1 default=ignore] success\nauth requisite auth_err\nauth required success:b";
        assert_eq!(
            alone(text),
            ("success", vec!["success".into(), "success:b".into()])
        );
        assert_eq!(
            alone("auth [success=2] success\nauth required success").0,
            "perm_denied"
        );
    }

    #[test]
    fn a_jump_counts_a_substack_once_and_includes_by_line() {
        let inner = "auth required success:1\nauth required success:2";
        let jump = "auth [success=1] success\nauth KIND inner\nauth required success:3\nauth required success:4";
        let with = |kind: &str| {
            walk(&[
                ("test", jump.replace("KIND", kind).as_str()),
                ("inner", inner),
            ])
            .1
        };
        assert_eq!(with("substack"), ["success", "success:3", "success:4"]);
        assert_eq!(
            with("include"),
            ["success", "success:2", "success:3", "success:4"]
        );
    }

    #[test]
    fn done_and_die_end_the_substack_only() {
        let outer = "auth substack inner\nauth required success:out";
        let (status, called) = walk(&[
            ("test", outer),
            ("inner", "auth sufficient success\nauth required auth_err"),
        ]);
        assert_eq!((status, called.len()), ("success", 2));
        let (status, called) = walk(&[
            ("test", outer),
            ("inner", "auth requisite auth_err\nauth required success"),
        ]);
        assert_eq!(
            (status, called),
            ("auth_err", vec!["auth_err".into(), "success:out".into()])
        );
        // Taken in with `include`, both end the login.
        let (_, called) = walk(&[
            ("test", "auth include inner\nauth required success:out"),
            ("inner", "auth sufficient success\nauth required auth_err"),
        ]);
        assert_eq!(called, ["success"]);
    }

    #[test]
    fn reset_returns_to_what_was_before_the_substack() {
        let inner = "auth required maxtries\nauth [default=reset] success";
        let outer = "auth required success\nauth substack inner\nauth required success";
        assert_eq!(walk(&[("test", outer), ("inner", inner)]).0, "success");
        assert_eq!(
            alone("auth required maxtries\nauth [default=reset] success\nauth required success").0,
            "success"
        );
    }
}
