//! The stacks of a service: its PAM file, with everything that is taken in from others.

use super::config_line::{ConfigLine, FileEnding, lines};
use super::control::ModuleControl;
use super::stack_handler::{
    ConfigError, ConfigFile, ConfigFiles, ConfigPlace, HandlerType, ManagementGroup, ModuleCall,
    ServiceStacks, StackHandler, StackOrigin,
};

/// Directory in which `@include` looks: there only (Debian's addition to libpam).
const INCLUDE_DIRECTORY: &str = "/etc/pam.d";
/// Service that stands in for one, or for those of its stacks that have no line.
const FALLBACK: &str = "other";
/// Depth to which files may take in others. libpam counts substacks, newer versions everything.
const DEPTH: usize = 16;

/// Puts the stacks of a service together.
pub fn read(files: &dyn ConfigFiles, service: &str) -> Result<ServiceStacks, ConfigError> {
    let mut own = StackParser::new(files);
    let file = files.open(service);
    if let Some(source) = &file {
        own.file(source, IncludeContext::SERVICE)?;
    }
    let mut other = StackParser::new(files);
    let fallback = files.open(FALLBACK);
    if let Some(source) = &fallback {
        other.file(source, IncludeContext::SERVICE)?;
    }
    if file.is_none() && fallback.is_none() {
        return Err(ConfigError {
            place: None,
            why: format!("there is neither a PAM file {service} nor {FALLBACK}"),
        });
    }
    let stack = |management| {
        let lines = own.of(management);
        if lines.is_empty() {
            (StackOrigin::Other, other.of(management))
        } else {
            (StackOrigin::Own, lines)
        }
    };
    let (auth_of, auth) = stack(ManagementGroup::Auth);
    let (account_of, account) = stack(ManagementGroup::Account);
    let (_, session) = stack(ManagementGroup::Session);
    Ok(ServiceStacks {
        auth,
        auth_of,
        account,
        account_of,
        session,
        file: file.map(|source| source.path),
    })
}

struct StackParser<'f> {
    files: &'f dyn ConfigFiles,
    handlers: Vec<(ManagementGroup, StackHandler)>,
}

/// Way in which a file was taken in.
#[derive(Clone, Copy)]
struct IncludeContext {
    /// By a line of this kind: then lines of other kinds do not count.
    only: Option<ManagementGroup>,
    /// In how many other files.
    depth: usize,
    /// In how many substacks.
    level: usize,
}

impl IncludeContext {
    /// The file of the service itself.
    const SERVICE: Self = Self {
        only: None,
        depth: 0,
        level: 0,
    };
}

impl<'f> StackParser<'f> {
    fn new(files: &'f dyn ConfigFiles) -> Self {
        Self {
            files,
            handlers: Vec::new(),
        }
    }

    fn of(&self, management: ManagementGroup) -> Vec<StackHandler> {
        let wanted = self.handlers.iter().filter(|(of, _)| *of == management);
        wanted.map(|(_, handler)| handler.clone()).collect()
    }

    fn file(&mut self, source: &ConfigFile, within: IncludeContext) -> Result<(), ConfigError> {
        let (lines, ending) = lines(&source.text);
        let place = |line| ConfigPlace {
            file: source.path.clone(),
            line,
        };
        for line in &lines {
            self.line(place(line.number), line, within)?;
        }
        match ending {
            FileEnding::Whole => Ok(()),
            FileEnding::CutOff => Err(ConfigError {
                place: Some(place(source.text.lines().count())),
                why: "the file ends in the middle of a line, with a backslash".to_owned(),
            }),
        }
    }

    fn line(
        &mut self,
        place: ConfigPlace,
        line: &ConfigLine,
        within: IncludeContext,
    ) -> Result<(), ConfigError> {
        let mut words = line.words.iter();
        let kind = words
            .next()
            .map(|word| word.strip_prefix('-').unwrap_or(word));
        if kind.is_some_and(|kind| kind.eq_ignore_ascii_case("@include")) {
            return self.include_all(place, words.next(), within);
        }
        let known = kind.and_then(management);
        // libpam takes a kind that it does not know for the most sensitive one.
        let management = known.or(within.only).unwrap_or(ManagementGroup::Auth);
        if within.only.is_some_and(|only| only != management) {
            return Ok(());
        }
        let control = words.next();
        let target = words.next();
        match control.map(|word| word.to_ascii_lowercase()).as_deref() {
            Some("include") => self.take_in(management, place, target, within, within.level),
            Some("substack") => {
                let (begin, none) = (place.clone(), ModuleControl::failing());
                self.add(management, begin, within, none, HandlerType::Substack);
                self.take_in(management, place, target, within, within.level + 1);
            }
            _ => {
                let run = match (known, control, target) {
                    (None, ..) => HandlerType::Fails(
                        "it begins with none of auth, account, password and session",
                    ),
                    (_, None, _) => HandlerType::Fails("it has no control"),
                    (.., None) => HandlerType::Fails("it names no module"),
                    (.., Some(path)) => HandlerType::Module(ModuleCall {
                        path: path.clone(),
                        arguments: words.cloned().collect(),
                    }),
                };
                let control =
                    control.map_or_else(ModuleControl::failing, |word| ModuleControl::parse(word));
                self.add(management, place, within, control, run);
            }
        }
        Ok(())
    }

    /// The lines of one kind of another file, at this place.
    fn take_in(
        &mut self,
        management: ManagementGroup,
        place: ConfigPlace,
        name: Option<&String>,
        within: IncludeContext,
        level: usize,
    ) {
        let source = name.and_then(|name| self.files.open(name));
        let inside = IncludeContext {
            only: Some(management),
            depth: within.depth + 1,
            level,
        };
        let taken = match source {
            Some(source) if inside.depth < DEPTH => self.file(&source, inside).is_ok(),
            _ => false,
        };
        if !taken {
            let run = HandlerType::Fails("the file that it takes in cannot be used");
            self.add(management, place, within, ModuleControl::failing(), run);
        }
    }

    /// `@include`: the lines of all kinds, at this place. libpam refuses the whole file when it cannot.
    fn include_all(
        &mut self,
        place: ConfigPlace,
        name: Option<&String>,
        within: IncludeContext,
    ) -> Result<(), ConfigError> {
        let path = name.map(|name| {
            if name.starts_with('/') {
                name.clone()
            } else {
                format!("{INCLUDE_DIRECTORY}/{name}")
            }
        });
        let source = path.as_deref().and_then(|path| self.files.open(path));
        let inside = IncludeContext {
            depth: within.depth + 1,
            ..within
        };
        let taken = match source {
            Some(source) if inside.depth < DEPTH => self.file(&source, inside),
            _ => Err(ConfigError {
                place: Some(place.clone()),
                why: "the file that @include names cannot be read".to_owned(),
            }),
        };
        match (taken, within.only) {
            (Ok(()), _) => Ok(()),
            (Err(broken), None) => Err(broken),
            // libpam 1.5 gives such a line the control of the line before it. It is reported, not predicted.
            (Err(_), Some(management)) => {
                let run = HandlerType::Fails("the file that @include names cannot be used");
                self.add(management, place, within, ModuleControl::failing(), run);
                Ok(())
            }
        }
    }

    fn add(
        &mut self,
        management: ManagementGroup,
        place: ConfigPlace,
        within: IncludeContext,
        control: ModuleControl,
        run: HandlerType,
    ) {
        let handler = StackHandler {
            place,
            level: within.level,
            control,
            run,
        };
        self.handlers.push((management, handler));
    }
}

fn management(word: &str) -> Option<ManagementGroup> {
    [
        ("auth", ManagementGroup::Auth),
        ("account", ManagementGroup::Account),
        ("session", ManagementGroup::Session),
        ("password", ManagementGroup::Password),
    ]
    .into_iter()
    .find_map(|(name, management)| word.eq_ignore_ascii_case(name).then_some(management))
}

#[cfg(test)]
pub mod tests;
