//! "Did you mean": the known word that is nearest to one that was typed.

/// Letters that may differ.
const MISTAKES: usize = 2;

/// The nearest of the known words; `None` where none is near.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.into_iter().filter_map(|word| {
        let distance = strsim::osa_distance(typed, word);
        // A short word is near to all short words.
        let allowed = MISTAKES.min(typed.chars().count().saturating_sub(1) / 2 + 1);
        (distance > 0 && distance <= allowed).then_some((distance, word))
    });
    near.min().map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_without_its_d_is_known() {
        let services = ["login", "sshd", "su", "sudo"];
        assert_eq!(nearest("ssh", services), Some("sshd"));
        assert_eq!(nearest("suod", services), Some("sudo"));
        assert_eq!(nearest("cockpit", services), None);
        assert_eq!(nearest("", services), None);
    }
}
