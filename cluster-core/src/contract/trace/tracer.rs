//! What is known so far, and what is still to be asked.

use std::any::TypeId;
use std::collections::{HashMap, VecDeque};
use std::mem::Discriminant;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use serde::Deserialize;

use super::names::{FieldNames, Home, Mark, VariantNames};
use super::route::{Ask, Step};
use super::watch::Watcher;
use crate::contract::make::Script;
use crate::contract::stop::Stop;
use crate::contract::{
    Body, Field, JSON_NEWTYPE, Leaf, NODES_MAX, Node, NodeId, Note, Refusal, Shape, TraceError,
    Variant, type_name,
};

/// The most places of one type that are looked at, before equal ones are merged.
const DRAFTS_MAX: usize = 16 * NODES_MAX;

/// How many made-up values are tried before what lies behind one is opaque.
const MADE_MAX: usize = 1_000;

/// A call that a type makes at one place, with what the call tells.
#[derive(Clone, Copy)]
pub(super) enum Call {
    Leaf(Leaf),
    Option,
    Seq { unordered: bool },
    Map,
    Tuple { length: usize },
    UnitStruct { name: &'static str },
    Newtype { name: &'static str },
    TupleStruct { name: &'static str, length: usize },
    Struct { name: &'static str, fields: &'static [&'static str] },
    Enum { name: &'static str, variants: &'static [&'static str] },
}

/// What a type asks of a variant.
#[derive(Clone, Copy)]
pub(super) enum BodyCall {
    Unit,
    Newtype,
    Tuple { length: usize },
    Struct { fields: &'static [&'static str] },
}

type Route = Rc<[Step]>;

/// A piece of work. Each is done after those that were put before it.
enum Task {
    /// Deserialize and see.
    Pass { route: Route, ask: Ask },
    /// The members of a tuple were seen as far as they can be.
    GroupMembers { route: Route, seeds: usize },
    /// All names of fields were tried.
    GroupFields { route: Route, names: usize },
    /// All names and numbers of variants were tried.
    GroupVariants { route: Route, names: usize },
}

/// A node on its way. The ids in it are places in the tracer's table of drafts.
enum Draft {
    Pending,
    Same(usize),
    Known(Node, Note),
}

/// The members of a tuple.
struct Seeds {
    drafts: Vec<usize>,
    /// The seed types of the first members, as far as they were reached.
    types: Vec<TypeId>,
}

/// The state of one tracing.
#[derive(Default)]
pub(super) struct Tracer {
    type_name: String,
    drafts: Vec<Draft>,
    /// Where a visitor was met first: ends recursion, and makes equal types one. The number is the
    /// length of a tuple.
    met: HashMap<(Discriminant<Call>, usize, TypeId), usize>,
    tasks: VecDeque<Task>,
    seeds: Vec<Seeds>,
    fields: Vec<FieldNames>,
    variants: Vec<VariantNames>,
    refusals: Vec<Refusal>,
    /// The current pass.
    route: Route,
    ask: Option<Ask>,
    /// Whether the current pass has learned what it asked for. Its error says nothing: types may
    /// swallow and rewrap errors.
    answered: bool,
    script: Script,
}

impl Tracer {
    pub(super) fn run<'de, T: Deserialize<'de>>() -> Result<Shape, TraceError> {
        let mut tracer = Self { type_name: type_name::<T>(), ..Self::default() };
        tracer.drafts.push(Draft::Pending);
        let route = Route::default();
        tracer.tasks.push_back(Task::Pass { route, ask: Ask::Call { draft: 0 } });
        while let Some(task) = tracer.tasks.pop_front() {
            match task {
                Task::Pass { route, ask } => tracer.pass::<T>(route, ask),
                Task::GroupMembers { route, seeds } => tracer.group_members(&route, seeds),
                Task::GroupFields { route, names } => tracer.group_fields(route, names),
                Task::GroupVariants { route, names } => tracer.group_variants(route, names),
            }
            if tracer.drafts.len() > DRAFTS_MAX {
                return Err(too_large(tracer.type_name));
            }
        }
        tracer.finish()
    }

    /// Deserializes until the answer is known, or no made-up value helps.
    fn pass<'de, T: Deserialize<'de>>(&mut self, route: Route, ask: Ask) {
        self.script = Script::default();
        self.route = Rc::clone(&route);
        self.ask = Some(ask);
        for left in (0..MADE_MAX).rev() {
            self.answered = false;
            self.script.rewind();
            let value = AssertUnwindSafe(|| T::deserialize(Watcher::new(self, &route)));
            let end = match catch_unwind(value) {
                Ok(value) => value.map(drop),
                Err(_panic) => Err(Stop::rejected("panics")),
            };
            if self.answered {
                return;
            }
            if let (Err(Stop::Duplicate(name)), Ask::RealName { names, group }) = (&end, ask) {
                return self.real_name(names, group, name);
            }
            if left == 0 || self.script.used() == 0 || !self.script.next() {
                return self.unanswered(&route, ask, end);
            }
        }
    }

    /// The pass ended without the answer.
    fn unanswered(&mut self, route: &Route, ask: Ask, end: Result<(), Stop>) {
        match (ask, end) {
            (Ask::Call { draft }, Err(_)) => {
                let opaque = Node::Leaf(Leaf::Opaque);
                self.drafts[draft] = Draft::Known(opaque, Note::default());
            }
            (Ask::Call { .. }, Ok(())) => {
                self.refuse_at(route, "is never read: the type makes its value without it");
            }
            (Ask::Members { .. }, Ok(())) => {
                self.refuse_at(route, "reads fewer members than it announces");
            }
            (Ask::Body { .. }, _) => self.refuse_at(route, "the variant is never read"),
            // A name or number that stands for nothing; members as far as they were seen.
            _ => {}
        }
    }

    /// Deserializing a value makes `call` where the pass leads: notes it if that was asked, else
    /// says what was. An error ends the pass.
    pub(super) fn at_end(&mut self, call: Call, visitor: TypeId) -> Result<Ask, Stop> {
        match self.ask {
            Some(Ask::Call { draft }) => {
                self.answered = true;
                self.note(draft, call, visitor);
                Err(Stop::Answered)
            }
            Some(Ask::Body { .. }) | None => Err(self.unstable()),
            Some(ask) => Ok(ask),
        }
    }

    /// As [`at_end`](Self::at_end), for the body of a variant.
    pub(super) fn at_body(&mut self, call: BodyCall) -> Result<Ask, Stop> {
        match self.ask {
            Some(Ask::Body { names, variant }) => {
                self.answered = true;
                self.note_body(names, variant, call);
                Err(Stop::Answered)
            }
            Some(Ask::Call { .. }) | None => Err(self.unstable()),
            Some(ask) => Ok(ask),
        }
    }

    /// Fails if the pass is over already; a type that swallowed its end may still ask.
    pub(super) fn going_on(&self) -> Result<(), Stop> {
        if self.answered { Err(Stop::Answered) } else { Ok(()) }
    }

    pub(super) fn script(&mut self) -> &mut Script {
        &mut self.script
    }

    /// The seed type of the next member of a tuple. Ends the pass with the last one.
    pub(super) fn member(&mut self, seeds: usize, at: usize, seed: TypeId) -> Result<(), Stop> {
        let seeds = &mut self.seeds[seeds];
        if at == seeds.types.len() {
            seeds.types.push(seed);
        }
        if at + 1 < seeds.drafts.len() {
            return Ok(());
        }
        self.answered = true;
        Err(Stop::Answered)
    }

    /// The type takes fields by name.
    pub(super) fn takes_names(&mut self, names: usize) {
        self.fields[names].asked = true;
    }

    pub(super) fn field_name(&self, names: usize, name: usize) -> &'static str {
        self.fields[names].names[name]
    }

    /// Two names of one field.
    pub(super) fn aliases(&self, names: usize, group: usize) -> [&'static str; 2] {
        let own = self.fields[names].of_group(group);
        [own[0], own[1]]
    }

    pub(super) fn field_mark(&mut self, names: usize, name: Option<usize>, mark: Mark) -> Stop {
        match name {
            Some(name) => self.fields[names].marks[name] = Some(mark),
            None => self.fields[names].unknown = Some(mark),
        }
        self.answered = true;
        Stop::Answered
    }

    pub(super) fn variant_name(&self, names: usize, name: usize) -> &'static str {
        self.variants[names].names[name]
    }

    pub(super) fn variant_name_mark(&mut self, names: usize, name: usize, mark: Mark) -> Stop {
        self.variants[names].by_name[name] = Some(mark);
        self.answered = true;
        Stop::Answered
    }

    pub(super) fn variant_number_mark(&mut self, names: usize, number: u32, mark: Mark) -> Stop {
        self.variants[names].by_number[number as usize] = Some(mark);
        self.answered = true;
        Stop::Answered
    }

    /// Ends the pass: the codec cannot carry what is here.
    pub(super) fn refuse(&mut self, why: &str) -> Stop {
        let route = Rc::clone(&self.route);
        self.refuse_at(&route, why);
        Stop::Answered
    }

    /// As [`refuse`](Self::refuse), where a name of a field is asked for as the key of a map.
    pub(super) fn refuse_name(&mut self) -> Stop {
        let why = "has a `#[serde(flatten)]` field, which bincode cannot carry: leave `flatten` \
                   out, or hold the whole type as Json<..>";
        let route: Route = match self.route.split_last() {
            Some((Step::Key, map)) => map.into(),
            _ => Rc::clone(&self.route),
        };
        self.refuse_at(&route, why);
        Stop::Answered
    }

    pub(super) fn unstable(&mut self) -> Stop {
        self.refuse("asks for different things from one time to the next: hold it as Json<..>")
    }

    fn refuse_at(&mut self, route: &Route, why: impl Into<String>) {
        if !self.answered {
            let steps = route.iter().map(Step::to_string);
            let path = std::iter::once(self.type_name.clone()).chain(steps).collect();
            self.refusals.push(Refusal { path, why: why.into() });
        }
        self.answered = true;
    }
}

/// What was noted, and what follows from it.
impl Tracer {
    fn note(&mut self, draft: usize, call: Call, visitor: TypeId) {
        if !matches!(call, Call::Leaf(_)) {
            let key = (std::mem::discriminant(&call), call.length(), visitor);
            let first = *self.met.entry(key).or_insert(draft);
            if first != draft {
                self.drafts[draft] = Draft::Same(first);
                return;
            }
        }
        let node = match call {
            Call::Newtype { name: JSON_NEWTYPE } => Node::Leaf(Leaf::Json),
            Call::Leaf(leaf) => Node::Leaf(leaf),
            Call::Option => Node::Option(self.below(Step::Inner)),
            Call::Seq { .. } => Node::Seq(self.below(Step::Element)),
            Call::Map => Node::Map(self.below(Step::Key), self.below(Step::Value)),
            Call::Tuple { length } => Node::Tuple(self.members(length)),
            Call::UnitStruct { .. } => Node::UnitStruct,
            Call::Newtype { .. } => Node::Newtype(self.below(Step::Inner)),
            Call::TupleStruct { length, .. } => Node::TupleStruct(self.members(length)),
            Call::Struct { fields, .. } => {
                self.try_fields(fields, Home::Struct { draft });
                Node::Struct(Vec::new())
            }
            Call::Enum { variants, .. } => {
                self.try_variants(variants, draft);
                Node::Enum(Vec::new())
            }
        };
        let note = Note {
            type_name: call.name().to_owned(),
            unordered: matches!(call, Call::Seq { unordered: true }),
        };
        self.drafts[draft] = Draft::Known(node, note);
    }

    fn note_body(&mut self, names: usize, variant: usize, call: BodyCall) {
        let draft = self.variants[names].draft;
        let body = match call {
            BodyCall::Unit => Body::Unit,
            BodyCall::Newtype => Body::Newtype(self.below(Step::Inner)),
            BodyCall::Tuple { length } => Body::Tuple(self.members(length)),
            BodyCall::Struct { fields } => {
                self.try_fields(fields, Home::Variant { draft, position: variant });
                Body::Struct(Vec::new())
            }
        };
        self.variants_of(draft)[variant].body = body;
    }

    /// A new place one step below the current one, to be looked at.
    fn below(&mut self, step: Step) -> NodeId {
        let route = Rc::clone(&self.route);
        self.look(&route, step)
    }

    fn look(&mut self, route: &Route, step: Step) -> NodeId {
        let draft = self.pending();
        self.look_at(route, step, draft);
        NodeId::new(draft)
    }

    fn look_at(&mut self, route: &Route, step: Step, draft: usize) {
        let route = route.iter().copied().chain([step]).collect();
        self.tasks.push_back(Task::Pass { route, ask: Ask::Call { draft } });
    }

    fn pending(&mut self) -> usize {
        self.drafts.push(Draft::Pending);
        self.drafts.len() - 1
    }

    fn ask_here(&mut self, route: &Route, ask: Ask) {
        self.tasks.push_back(Task::Pass { route: Rc::clone(route), ask });
    }

    /// The members of the tuple that the current route leads to.
    fn members(&mut self, length: usize) -> Vec<NodeId> {
        let route = Rc::clone(&self.route);
        self.members_at(&route, length)
    }

    fn members_at(&mut self, route: &Route, length: usize) -> Vec<NodeId> {
        let drafts: Vec<usize> = (0..length).map(|_| self.pending()).collect();
        let ids = drafts.iter().map(|&draft| NodeId::new(draft)).collect();
        if length > 0 {
            let seeds = self.seeds.len();
            self.seeds.push(Seeds { drafts, types: Vec::new() });
            self.ask_here(route, Ask::Members { seeds });
            self.tasks.push_back(Task::GroupMembers { route: Rc::clone(route), seeds });
        }
        ids
    }

    /// Looks at one member of each type. Members that could not be reached are opaque.
    fn group_members(&mut self, route: &Route, seeds: usize) {
        let Seeds { drafts, types } = &self.seeds[seeds];
        let (drafts, types) = (drafts.clone(), types.clone());
        for (member, &draft) in drafts.iter().enumerate() {
            match types.get(member) {
                Some(own) => match types[..member].iter().position(|other| other == own) {
                    Some(first) => self.drafts[draft] = Draft::Same(drafts[first]),
                    None => self.look_at(route, Step::Member(member), draft),
                },
                None => {
                    let opaque = Node::Leaf(Leaf::Opaque);
                    self.drafts[draft] = Draft::Known(opaque, Note::default());
                }
            }
        }
    }

    fn try_fields(&mut self, fields: &'static [&'static str], home: Home) {
        if fields.is_empty() {
            return;
        }
        let names = self.fields.len();
        self.fields.push(FieldNames::new(fields, home));
        let route = Rc::clone(&self.route);
        for name in std::iter::once(None).chain((0..fields.len()).map(Some)) {
            self.ask_here(&route, Ask::Field { names, name });
        }
        self.tasks.push_back(Task::GroupFields { route, names });
    }

    fn group_fields(&mut self, route: Route, names: usize) {
        let home = self.fields[names].home;
        let fields = if self.fields[names].asked {
            self.fields[names].group();
            (0..self.fields[names].groups.len())
                .map(|group| {
                    let own = self.fields[names].of_group(group);
                    if own.len() > 1 {
                        self.ask_here(&route, Ask::RealName { names, group });
                    }
                    let node = self.look(&route, Step::Field(own[0]));
                    Field { names: own.into_iter().map(str::to_owned).collect(), node }
                })
                .collect()
        } else {
            let all = self.fields[names].names;
            let nodes = self.members_at(&route, all.len());
            let named = all.iter().zip(nodes);
            named.map(|(name, node)| Field { names: vec![(*name).to_owned()], node }).collect()
        };
        *self.fields_of(home) = fields;
    }

    fn real_name(&mut self, names: usize, group: usize, real: &str) {
        let home = self.fields[names].home;
        let own = &mut self.fields_of(home)[group].names;
        if let Some(position) = own.iter().position(|name| name == real) {
            own[..=position].rotate_right(1);
        }
    }

    fn try_variants(&mut self, variants: &'static [&'static str], draft: usize) {
        let names = self.variants.len();
        self.variants.push(VariantNames::new(variants, draft));
        let route = Rc::clone(&self.route);
        for name in 0..variants.len() {
            self.ask_here(&route, Ask::VariantName { names, name });
            self.ask_here(&route, Ask::VariantNumber { names, number: name as u32 });
        }
        self.tasks.push_back(Task::GroupVariants { route, names });
    }

    fn group_variants(&mut self, route: Route, names: usize) {
        let draft = self.variants[names].draft;
        let Some(groups) = self.variants[names].group() else {
            self.answered = false;
            let why = "takes its variants by name only, and bincode has only numbers: hold it as \
                       Json<..>";
            return self.refuse_at(&route, why);
        };
        for (variant, own) in groups.iter().enumerate() {
            let step = Step::Variant { number: variant as u32, name: own[0] };
            let route = route.iter().copied().chain([step]).collect();
            self.ask_here(&route, Ask::Body { names, variant });
        }
        let variants = groups.into_iter().map(|own| Variant {
            names: own.into_iter().map(str::to_owned).collect(),
            body: Body::Unit,
        });
        *self.variants_of(draft) = variants.collect();
    }

    fn variants_of(&mut self, draft: usize) -> &mut Vec<Variant> {
        match &mut self.drafts[draft] {
            Draft::Known(Node::Enum(variants), _) => variants,
            _ => unreachable!("variants are looked at after their enum was noted"),
        }
    }

    fn fields_of(&mut self, home: Home) -> &mut Vec<Field> {
        match home {
            Home::Struct { draft } => match &mut self.drafts[draft] {
                Draft::Known(Node::Struct(fields), _) => fields,
                _ => unreachable!("fields are looked at after their struct was noted"),
            },
            Home::Variant { draft, position } => {
                match &mut self.variants_of(draft)[position].body {
                    Body::Struct(fields) => fields,
                    _ => unreachable!("fields are looked at after their variant was noted"),
                }
            }
        }
    }

    fn finish(self) -> Result<Shape, TraceError> {
        if !self.refusals.is_empty() {
            return Err(TraceError { type_name: self.type_name, refusals: self.refusals });
        }
        let type_name = self.type_name.clone();
        let root = self.same_as(0);
        let same: Vec<NodeId> =
            (0..self.drafts.len()).map(|draft| NodeId::new(self.same_as(draft))).collect();
        let known = self.drafts.into_iter().map(|draft| match draft {
            Draft::Known(mut node, note) => {
                node.redirect(|child| same[child.index()]);
                (node, note)
            }
            // No node leads here any more.
            Draft::Same(_) | Draft::Pending => (Node::Leaf(Leaf::Unit), Note::default()),
        });
        let (nodes, notes) = known.unzip();
        let shape = Shape::new(nodes, notes, NodeId::new(root));
        if shape.node_count() > NODES_MAX {
            return Err(too_large(type_name));
        }
        Ok(shape)
    }

    fn same_as(&self, mut draft: usize) -> usize {
        while let Draft::Same(other) = self.drafts[draft] {
            draft = other;
        }
        draft
    }
}

fn too_large(type_name: String) -> TraceError {
    let why = format!("has more than {NODES_MAX} different parts: hold some as Json<..>");
    TraceError { refusals: vec![Refusal { path: type_name.clone(), why }], type_name }
}

impl Call {
    /// The length of a tuple; it is not part of the visitor's type.
    fn length(self) -> usize {
        match self {
            Call::Tuple { length } | Call::TupleStruct { length, .. } => length,
            _ => 0,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Call::Newtype { name: JSON_NEWTYPE } => "",
            Call::UnitStruct { name }
            | Call::Newtype { name }
            | Call::TupleStruct { name, .. }
            | Call::Struct { name, .. }
            | Call::Enum { name, .. } => name,
            _ => "",
        }
    }
}
