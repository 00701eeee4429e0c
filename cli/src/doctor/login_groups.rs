//! The users of each service, grouped by what they are asked for; services with the same groups stand together.

use serde::Serialize;

use super::login_forecast::LoginPath;

/// Users who are asked for the same at some services. The serialized form is an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoginGroup {
    /// The PAM services.
    pub services: Vec<String>,
    /// Number of users.
    pub count: usize,
    /// Their names; `null` in a report that does not name all users.
    pub users: Option<Vec<String>>,
    /// The ways in, each of which is enough. None: no user gets in.
    pub ways: Vec<LoginPath>,
}

/// The groups of one service: the ways in, with the numbers of the users.
type ServiceGroups = Vec<(Vec<LoginPath>, Vec<usize>)>;

/// Users as they are sorted into groups.
pub struct LoginGrouping {
    services: Vec<ServiceGroups>,
}

impl LoginGrouping {
    /// For so many services.
    pub fn new(services: usize) -> Self {
        Self {
            services: vec![Vec::new(); services],
        }
    }

    /// Adds a user at a service, both by their numbers.
    pub fn add(&mut self, service: usize, user: usize, ways: &[LoginPath]) {
        let Some(groups) = self.services.get_mut(service) else {
            return;
        };
        match groups.iter_mut().find(|(known, _)| known == ways) {
            Some((_, users)) => users.push(user),
            None => groups.push((ways.to_vec(), vec![user])),
        }
    }

    /// The groups, in the order of the services. `users` are the names of all users.
    pub fn groups<'n>(
        self,
        names: impl Iterator<Item = &'n str>,
        users: &[&str],
    ) -> Vec<LoginGroup> {
        let mut sets: Vec<(Vec<String>, ServiceGroups)> = Vec::new();
        for (name, groups) in names.zip(self.services) {
            match sets.iter_mut().find(|(_, known)| *known == groups) {
                Some((services, _)) => services.push(name.to_owned()),
                None => sets.push((vec![name.to_owned()], groups)),
            }
        }
        let named = |numbers: Vec<usize>| -> Vec<String> {
            let names = numbers.into_iter().filter_map(|number| users.get(number));
            names.map(|name| (*name).to_owned()).collect()
        };
        let group = |services: &[String], ways: Vec<LoginPath>, numbers: Vec<usize>| LoginGroup {
            services: services.to_vec(),
            count: numbers.len(),
            users: Some(named(numbers)),
            ways,
        };
        let groups = sets.into_iter().flat_map(|(services, groups)| {
            let groups = groups.into_iter();
            let groups = groups.map(|(ways, numbers)| group(&services, ways, numbers));
            groups.collect::<Vec<_>>()
        });
        groups.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::login_forecast::LoginResult;
    use super::*;

    #[test]
    fn services_with_the_same_groups_stand_together() {
        let ways = |asks: &[&'static str]| vec![LoginPath::new(asks, LoginResult::In, None)];
        let (code, password) = (ways(&["password", "code"]), ways(&["password"]));
        let mut grouping = LoginGrouping::new(3);
        for service in [0, 2] {
            grouping.add(service, 0, &code);
            grouping.add(service, 1, &password);
            grouping.add(service, 2, &code);
        }
        for user in 0..3 {
            grouping.add(1, user, &password);
        }
        let groups = grouping.groups(["login", "su", "sudo"].into_iter(), &["a", "b", "c"]);
        let found: Vec<(String, String)> = groups
            .iter()
            .map(|group| {
                (
                    group.services.join(" "),
                    group.users.clone().unwrap().join(" "),
                )
            })
            .collect();
        let expected = [("login sudo", "a c"), ("login sudo", "b"), ("su", "a b c")];
        assert_eq!(found, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }
}
