//! A workflow: its steps, its client, and what the runtime has to know of it.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, ItemImpl, Pat, PatType};

use super::arguments;
use super::message::{ask, returns};
use crate::hygiene::{Root, local, located, unraw};
use crate::model::{Argument, Message, Parameter, Step, Workflow};

pub(super) fn workflow(
    item: &ItemImpl,
    steps: &[Step],
    workflow: Option<&Workflow>,
) -> TokenStream {
    let fallback = Root::new(None);
    let root = workflow.map_or(&fallback, |workflow| &workflow.contract.root);
    let own = (!steps.is_empty()).then(|| block(root, item, steps));
    let declared = workflow.map(|workflow| Expander { workflow, steps }.expand());
    quote!(#item #own #declared)
}

/// A block of the user's with its steps.
fn block(root: &Root, item: &ItemImpl, steps: &[Step]) -> TokenStream {
    let (attributes, entity) = (&item.attrs, &item.self_ty);
    let steps = steps.iter().map(|step| self::step(root, step));
    quote! {
        #(#attributes)*
        impl #entity {
            #(#steps)*
        }
    }
}

/// The method that makes the step when it is called, and the one that does what it does.
fn step(root: &Root, step: &Step) -> TokenStream {
    let Step { attributes, visibility, signature, block, arguments, .. } = step;
    let Some(arguments) = arguments else {
        // Complained about: as it was written, so that calls of it are right.
        return quote!(#(#attributes)* #visibility #signature #block);
    };
    let is_outer = |attribute: &&Attribute| {
        ["doc", "deprecated", "must_use"].iter().any(|name| attribute.path().is_ident(name))
    };
    let is_inner =
        |attribute: &&Attribute| !is_outer(attribute) && !attribute.path().is_ident("cfg");
    let outer = attributes.iter().filter(is_outer);
    let inner = attributes.iter().filter(is_inner);
    let cfgs: Vec<_> = attributes.iter().filter(|a| a.path().is_ident("cfg")).collect();
    let (method, at) = (&signature.ident, signature.ident.span());
    let hidden = format_ident!("__step_{}", unraw(method), span = at);
    let result = match &signature.output {
        syn::ReturnType::Default => quote!(()),
        syn::ReturnType::Type(_, ty) => quote!(#ty),
    };
    let mut within = signature.clone();
    within.ident = hidden.clone();
    let inputs = signature.inputs.iter().map(without_mut);
    let constant = constant(step);
    let declared = declare(root, step);
    let root = root.at(at);
    let future = quote_spanned! {located(at)=>
        impl ::core::future::Future<Output = #result> + ::core::marker::Send + '_
    };
    let made = quote_spanned! {located(at)=>
        #root::step(Self::#constant, Self::#hidden(self, #(#arguments),*))
    };
    quote! {
        #(#cfgs)*
        #(#outer)*
        #visibility fn #method(#(#inputs),*) -> #future {
            #made
        }

        #(#cfgs)*
        #declared

        #(#cfgs)*
        #(#inner)*
        #[doc(hidden)]
        #within #block
    }
}

/// An argument that is only passed on.
fn without_mut(input: &FnArg) -> FnArg {
    let mut input = input.clone();
    if let FnArg::Typed(PatType { pat, .. }) = &mut input
        && let Pat::Ident(named) = &mut **pat
    {
        named.mutability = None;
    }
    input
}

/// The constant that says what is known of a step.
fn constant(step: &Step) -> Ident {
    let method = &step.signature.ident;
    format_ident!("__STEP_{}", unraw(method).to_uppercase(), span = located(method.span()))
}

/// On the token of the result's type: what is wrong with that is shown there.
fn declare(root: &Root, step: &Step) -> TokenStream {
    let (constant, name) = (constant(step), &step.name.text);
    let ty = step.result.as_ref().map_or_else(|| quote!(()), |ty| quote!(#ty));
    let at = step.result.as_ref().map_or(step.signature.ident.span(), Spanned::span);
    let root_at = root.at(at);
    let new = quote_spanned!(located(at)=> #root_at::step_type::<#ty>);
    quote!(const #constant: #root::StepType<#ty> = #new(#name);)
}

/// Writes everything but the steps.
struct Expander<'a> {
    workflow: &'a Workflow,
    steps: &'a [Step],
}

impl Expander<'_> {
    fn expand(&self) -> TokenStream {
        let Workflow { contract, run, .. } = self.workflow;
        let items = [self.arguments(), self.client(), self.describe()];
        let serde = arguments::arguments(contract, run);
        let ask = ask(&contract.root, &run.returns);
        quote!(#(#items)* #(#serde)* #ask)
    }

    /// The struct of the body's arguments. As visible as any workflow is; its fields are not.
    fn arguments(&self) -> TokenStream {
        let Message { message, method, .. } = &self.workflow.run;
        let owner = self.workflow.contract.owner.shown();
        let doc = format!(" The arguments of `{owner}::{}`.", unraw(method));
        let fields = self.fields().map(|Argument { name, ty }| quote!(#name: #ty));
        quote! {
            #[doc = #doc]
            // Its fields are the body's arguments, which need neither.
            #[allow(dead_code, missing_debug_implementations, missing_docs)]
            pub struct #message {
                #(#fields,)*
            }
        }
    }

    fn fields(&self) -> impl Iterator<Item = &Argument> {
        self.workflow.run.arguments()
    }

    fn client(&self) -> TokenStream {
        let contract = &self.workflow.contract;
        let (root, client) = (&contract.root, &contract.client);
        let workflow = contract.owner.contract_type();
        let shown = contract.owner.shown();
        let doc = format!(" A client of the workflow `{shown}`: cheap to clone and to send.");
        let parameters: Vec<_> =
            self.fields().map(|Argument { name, ty }| quote!(#name: #ty)).collect();
        let names: Vec<_> = self.fields().map(|argument| &argument.name).collect();
        let arguments = &self.workflow.run.message;
        quote! {
            #[doc = #doc]
            #[derive(::core::clone::Clone, ::core::fmt::Debug)]
            pub struct #client {
                executions: #root::Executions<#workflow>,
            }

            #[doc(hidden)]
            impl #root::WorkflowClient<#workflow> for #client {
                fn new(executions: #root::Executions<#workflow>) -> Self {
                    Self { executions }
                }
            }

            // What the body may have, its client may have as well.
            #[allow(dead_code, private_interfaces)]
            impl #client {
                /// An execution with these arguments: await it to start it, after giving it a key.
                pub fn start(&self, #(#parameters),*) -> #root::Start<#workflow> {
                    self.executions.start(#arguments { #(#names),* })
                }

                /// The same, and its result.
                pub fn run(&self, #(#parameters),*) -> #root::StartAndWait<#workflow> {
                    self.executions.run(#arguments { #(#names),* })
                }

                /// The execution that was started with this key, if there is one.
                ///
                /// # Errors
                /// The storage failed, or the key is none.
                pub async fn find(
                    &self,
                    key: impl ::core::convert::Into<::std::string::String>,
                ) -> ::core::result::Result<
                    ::core::option::Option<#root::ExecutionHandle<#workflow>>,
                    #root::ClusterError,
                > {
                    self.executions.find(key).await
                }
            }
        }
    }

    /// `impl WorkflowType`
    fn describe(&self) -> TokenStream {
        let Workflow { contract, version, run } = self.workflow;
        let (root, client) = (&contract.root, &contract.client);
        let workflow = contract.owner.contract_type();
        let name = &contract.name.text;
        let entity_type = format!("workflow:{name}");
        let version = Literal::u32_unsuffixed(*version);
        let names = self.fields().map(Argument::field);
        let arguments = &run.message;
        let (ok, err, outcome) = returns(root, &run.returns);
        let steps = self.steps.iter().filter(|step| step.arguments.is_some());
        let steps = steps.map(|step| self.info(step));
        let body = self.run();
        quote! {
            #[doc(hidden)]
            impl #root::WorkflowType for #workflow {
                const NAME: &'static str = #name;
                const ENTITY_TYPE: &'static str = #entity_type;
                const VERSION: u32 = #version;
                const ARGUMENTS: &'static [&'static str] = &[#(#names),*];
                type Arguments = #arguments;
                type Ok = #ok;
                type Err = #err;
                type Outcome = #outcome;
                type Client = #client;

                fn steps() -> &'static [#root::StepInfo] {
                    const { &[#(#steps),*] }
                }

                #body
            }
        }
    }

    fn info(&self, step: &Step) -> TokenStream {
        let cfgs = step.attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"));
        let (workflow, constant) = (self.workflow.contract.owner.contract_type(), constant(step));
        quote!(#(#cfgs)* <#workflow>::#constant.info())
    }

    /// The call of the body. What keeps its future from being sent is shown at its name.
    fn run(&self) -> TokenStream {
        let Workflow { contract, run, .. } = self.workflow;
        let at = run.method.span();
        let root = contract.root.at(at);
        let (ctx, given) = (local("ctx"), local("arguments"));
        let workflow = contract.owner.contract_type();
        let call = if run.is_sound {
            let parameters = run.parameters.iter().map(|parameter| match parameter {
                Parameter::Argument(argument) => {
                    let name: &Ident = &argument.name;
                    quote!(#given.#name)
                }
                Parameter::Context | Parameter::Unusable => quote!(#ctx),
            });
            let method = &run.method;
            quote!(<#workflow>::#method(self, #(#parameters),*))
        } else {
            quote!(::core::future::pending())
        };
        quote_spanned! {located(at)=>
            fn run<'a>(
                &'a self,
                #ctx: &'a #root::Workflow,
                #given: Self::Arguments,
            ) -> impl ::core::future::Future<Output = <Self::Outcome as #root::Outcome>::Return>
                    + ::core::marker::Send
                    + 'a {
                #call
            }
        }
    }
}
