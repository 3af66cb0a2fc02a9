//! `#[workflow(..)] impl OrderWorkflow { .. }`

use proc_macro2::{Ident, TokenStream};
use syn::{
    Attribute, FnArg, ImplItem, ImplItemFn, ItemImpl, Pat, Path, ReceiverKind, ReturnType,
    Signature, Type,
};

use super::handler;
use super::inherent::attributes_of;
use super::marks;
use super::returns;
use super::types::{Role, Scope, bare, carried, last_segment};
use crate::attribute::{MessageOptions, StepOptions, WorkflowOptions};
use crate::errors::Errors;
use crate::hygiene::{Root, public, unraw};
use crate::model::{
    Access, Contract, Message, Name, Owner, Returns, Step, Workflow, WorkflowBlock,
};

/// The type that a body is lent, by its name.
const CONTEXT: &str = "Workflow";

pub(super) fn read(mut item: ItemImpl, options: TokenStream, errors: &mut Errors) -> WorkflowBlock {
    let options = WorkflowOptions::parse(options, errors);
    let is_type = is_type(&item, errors);
    let entity = bare(&item.self_ty).clone();
    let mut members = Members {
        krate: options.path.clone(),
        scope: Scope::Entity(Box::new(entity.clone())),
        steps: Vec::new(),
        run: None,
        marked: false,
    };
    item.items = std::mem::take(&mut item.items)
        .into_iter()
        .filter_map(|member| members.take(member, errors))
        .collect();
    let Members { steps, run, marked, .. } = members;
    if !marked && errors.count() == 0 {
        errors.on(&item.self_ty, "no body: mark the method that is to run with `#[run]`");
    }
    let segment = last_segment(&entity).filter(|_| is_type);
    let workflow = segment.zip(run).map(|(segment, mut run)| {
        let prefix = unraw(&segment.ident);
        let name = match &options.name {
            Some(name) => Name { text: name.value(), span: name.span() },
            None => Name::of(&segment.ident),
        };
        run.message = public(&format!("{prefix}Arguments"), segment.ident.span());
        let contract = Contract {
            root: Root::new(options.path.as_ref()),
            name,
            client: public(&format!("{prefix}Client"), segment.ident.span()),
            messages: Vec::new(),
            owner: Owner::Entity(Box::new(entity.clone())),
        };
        Box::new(Workflow { contract, version: options.version.unwrap_or(1), run })
    });
    WorkflowBlock::Inherent { item: Box::new(item), steps, workflow }
}

/// Whether the block is of a type that can be a workflow; if not, this is noted.
fn is_type(item: &ItemImpl, errors: &mut Errors) -> bool {
    let generic = "a workflow cannot be generic: its executions must be found again by its name";
    if !item.generics.params.is_empty() {
        errors.on(&item.generics.params, generic);
        return false;
    }
    match last_segment(&item.self_ty) {
        Some(segment) if segment.arguments.is_none() => true,
        Some(segment) => {
            errors.on(&segment.arguments, generic);
            false
        }
        None => {
            errors.on(&item.self_ty, "a workflow is a struct or an enum: name one");
            false
        }
    }
}

/// What is found in a block.
struct Members {
    /// Where the framework is, if this was said.
    krate: Option<Path>,
    scope: Scope,
    steps: Vec<Step>,
    run: Option<Message>,
    /// Whether there is a body, be it one that cannot be run.
    marked: bool,
}

impl Members {
    /// Takes steps out of the block; the body stays.
    fn take(&mut self, mut member: ImplItem, errors: &mut Errors) -> Option<ImplItem> {
        let Some(attributes) = attributes_of(&mut member) else { return Some(member) };
        let marks = self.marks(attributes);
        let ImplItem::Fn(method) = member else {
            for (_, mark) in marks {
                errors.on(mark, "this attribute belongs on a method");
            }
            return Some(member);
        };
        if let [_, (_, second), ..] = &marks[..] {
            errors.on(second, "a method is the body or a step, and once");
        }
        match marks.first() {
            Some((Mark::Run, mark)) => {
                marks::bare(mark, errors);
                self.body(&method, mark, errors);
                Some(ImplItem::Fn(method))
            }
            Some((Mark::Step, mark)) => {
                self.step(method, mark, errors);
                None
            }
            None => Some(ImplItem::Fn(method)),
        }
    }

    /// Our attributes of one member, taken away from it.
    fn marks(&self, attributes: &mut Vec<Attribute>) -> Vec<(Mark, Attribute)> {
        let mut found = Vec::new();
        for attribute in std::mem::take(attributes) {
            match marks::name(attribute.path(), self.krate.as_ref()).as_deref() {
                Some("run") => found.push((Mark::Run, attribute)),
                Some("step") => found.push((Mark::Step, attribute)),
                _ => attributes.push(attribute),
            }
        }
        found
    }

    fn body(&mut self, method: &ImplItemFn, mark: &Attribute, errors: &mut Errors) {
        if std::mem::replace(&mut self.marked, true) {
            errors.on(mark, "a workflow has one body: this is the second `#[run]`");
            return;
        }
        let (before, signature) = (errors.count(), &method.sig);
        let handler = handler::read_with(CONTEXT, signature, &self.scope, errors);
        let returns = returns::read(&signature.output, &self.scope, errors);
        if let Some(Returns::Later { ty, .. }) = &returns {
            let form =
                "a body replies when it returns: await a deferred in it for what comes later";
            errors.on(ty, form);
        }
        if errors.count() == before {
            is_body(signature, handler.access, errors);
        }
        self.run = Some(Message {
            options: MessageOptions::default(),
            docs: Vec::new(),
            cfgs: Vec::new(),
            visibility: syn::Visibility::Inherited,
            message: signature.ident.clone(),
            method: signature.ident.clone(),
            name: Name::of(&signature.ident),
            access: handler.access,
            is_async: handler.is_async,
            parameters: handler.parameters,
            returns: returns.unwrap_or(Returns::Nothing),
            is_sound: errors.count() == before,
        });
    }

    fn step(&mut self, method: ImplItemFn, mark: &Attribute, errors: &mut Errors) {
        let options = StepOptions::parse(marks::arguments(mark, errors), errors);
        let name = match &options.name {
            Some(name) => Name { text: name.value(), span: name.span() },
            None => Name::of(&method.sig.ident),
        };
        if let Some(known) = self.steps.iter().find(|known| known.name.text == name.text) {
            let other = &known.signature.ident;
            let form = format!("`{other}` has the stored name \"{}\" already", name.text);
            errors.at(name.span, form);
        }
        let before = errors.count();
        let arguments = step_arguments(&method.sig, &self.scope, errors);
        let result = match &method.sig.output {
            ReturnType::Default => None,
            ReturnType::Type(_, ty) => carried(ty, Role::Result, &self.scope, errors),
        };
        self.steps.push(Step {
            attributes: method.attrs,
            visibility: method.vis,
            signature: method.sig,
            block: method.block,
            name,
            arguments: (errors.count() == before).then_some(arguments),
            result,
        });
    }
}

enum Mark {
    Run,
    Step,
}

/// A body waits, and shares its workflow with the steps that it joins.
fn is_body(signature: &Signature, access: Access, errors: &mut Errors) {
    if signature.asyncness.is_none() {
        errors.on(signature.fn_token, "the body waits for its steps: write `async fn`");
    }
    if access == Access::Exclusive {
        let form = "the body takes `&self`: what an execution keeps is what its steps give";
        errors.on(signature.receiver(), form);
    }
}

/// The names of what a step takes.
fn step_arguments(signature: &Signature, scope: &Scope, errors: &mut Errors) -> Vec<Ident> {
    if signature.asyncness.is_none() {
        errors.on(
            signature.fn_token,
            "a step waits until what comes before it is durable: write `async fn`",
        );
    }
    if !signature.generics.params.is_empty() {
        let form = "a step cannot be generic: its result is stored, and has one shape";
        errors.on(&signature.generics.params, form);
    }
    match signature.receiver().map(|receiver| &receiver.kind) {
        Some(ReceiverKind::Reference(_, None, None)) => {}
        Some(_) => {
            let form = "a step takes `&self`, so that steps can run at once";
            errors.on(signature.receiver(), form);
        }
        None => errors.on(&signature.ident, "a step takes `&self`"),
    }
    let mut names = Vec::new();
    for input in &signature.inputs {
        let FnArg::Typed(typed) = input else { continue };
        if is_context(&typed.ty) {
            let form = "a step is plain code: what it needs of the execution it is given";
            errors.on(&typed.ty, form);
            continue;
        }
        carried(&typed.ty, Role::Given, scope, errors);
        match &*typed.pat {
            Pat::Ident(named) if named.by_ref.is_none() && named.subpat.is_none() => {
                names.push(named.ident.clone());
            }
            other => errors.on(other, "give this argument a name"),
        }
    }
    names
}

fn is_context(ty: &Type) -> bool {
    let Type::Reference(lent) = bare(ty) else { return false };
    last_segment(&lent.elem).is_some_and(|segment| segment.ident == CONTEXT)
}
