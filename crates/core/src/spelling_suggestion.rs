//! The known word that a mistyped one is closest to, for "did you mean".

/// Longest word that is compared, in characters: what is longer was not meant as one of these.
const LONGEST: usize = 40;

/// The candidate with the fewest typing errors between it and `word`, if these are few for its length: a letter too many,
/// one too few, another one, or two neighbours swapped. Upper and lower case are the same. Of several, the first.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = letters(word);
    if typed.is_empty() || typed.len() > LONGEST {
        return None;
    }
    let errors = |candidate: &&str| distance(&typed, &letters(candidate));
    let best = candidates.into_iter().min_by_key(errors)?;
    let few = typed.len().max(best.len()) / 3;
    (errors(&best) <= few.max(1)).then_some(best)
}

fn letters(word: &str) -> Vec<char> {
    word.chars().flat_map(char::to_lowercase).collect()
}

/// The optimal string alignment distance: no part is edited twice.
fn distance(one: &[char], other: &[char]) -> usize {
    let first: Vec<usize> = (0..=other.len()).collect();
    // The rows of the table for the two letters before this one, and for the last one.
    let (mut before, mut last) = (first.clone(), first);
    for (number, letter) in one.iter().enumerate() {
        let mut row = vec![number + 1];
        for (place, against) in other.iter().enumerate() {
            let at = |row: &[usize], place: usize| row.get(place).copied().unwrap_or(usize::MAX);
            let edited = at(&last, place) + usize::from(letter != against);
            let shorter = at(&last, place + 1).min(at(&row, place)) + 1;
            let mut errors = edited.min(shorter);
            let previous =
                |text: &[char], at: usize| at.checked_sub(1).and_then(|at| text.get(at).copied());
            let swapped =
                previous(one, number) == Some(*against) && previous(other, place) == Some(*letter);
            if swapped {
                errors = errors.min(at(&before, place - 1) + 1);
            }
            row.push(errors);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_counted() {
        for (one, other, errors) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "ab", 1),
            ("ab", "abc", 1),
            ("abc", "axc", 1),
            ("abc", "acb", 1),
            ("abcd", "badc", 2),
            ("kitten", "sitting", 3),
            ("", "abc", 3),
        ] {
            assert_eq!(
                distance(&letters(one), &letters(other)),
                errors,
                "{one} {other}"
            );
        }
    }

    #[test]
    fn the_closest_word_is_meant_if_it_is_close() {
        let commands = ["enable", "enroll", "export", "disable"];
        for (typed, meant) in [
            ("enrol", Some("enroll")),
            ("enrll", Some("enroll")),
            ("ENABEL", Some("enable")),
            ("exprot", Some("export")),
            ("windows", None),
            ("", None),
        ] {
            assert_eq!(closest(typed, commands), meant, "{typed}");
        }
        assert_eq!(closest("windows", ["tries", "window"]), Some("window"));
        let services = ["login", "sshd", "su", "sudo"];
        assert_eq!(closest("ssh", services), Some("sshd"));
        assert_eq!(closest("suod", services), Some("sudo"));
        assert_eq!(closest("cockpit", services), None);
        assert_eq!(closest("x", []), None);
        assert_eq!(closest("", ["x"]), None);
    }

    #[test]
    fn long_words_may_have_an_error_in_three_letters() {
        assert_eq!(closest("trewdnums", ["trewxyzms"]), Some("trewxyzms"));
        assert_eq!(closest("trewdnums", ["trwxyzbms"]), None);
    }

    #[test]
    fn words_beyond_the_longest_are_not_compared() {
        let [longest, longer, much_longer] = [40, 41, 42].map(|letters| "x".repeat(letters));
        assert_eq!(closest(&longest, [&*longest]), Some(&*longest));
        assert_eq!(closest(&longer, [&*longer]), None);
        assert_eq!(closest(&much_longer, [&*much_longer]), None);
    }
}
