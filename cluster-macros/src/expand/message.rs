//! One message: the struct of its arguments, and what the runtime has to know of it.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Path, Visibility};

use super::entity::{duration, retry};
use super::{arguments, run};
use crate::attribute::Transaction;
use crate::hygiene::{Root, local, located, unraw};
use crate::model::{Access, Argument, Contract, Message, Owner, Returns};

/// The field that makes the type of a message mention its entity.
pub(super) const MARKER: &str = "__of";

/// Whether the struct of the message has the entity as a parameter.
///
/// What an impl of `Message` says of types must be at least as visible as the message itself. A
/// method may be more visible than its entity, and how visible that is nobody tells here. With the
/// entity as a parameter the message is never more visible than the entity.
pub(super) fn is_marked(contract: &Contract, message: &Message) -> bool {
    let is_private = matches!(message.visibility, Visibility::Inherited);
    matches!(contract.owner, Owner::Entity(_)) && !is_private
}

/// Value, error, and how the return type is taken apart. On the tokens of the user's types:
/// what is wrong with one is shown there.
pub(super) fn returns(root: &Root, returns: &Returns) -> (TokenStream, TokenStream, TokenStream) {
    match returns {
        Returns::Nothing => (quote!(()), quote!(#root::NoError), quote!(#root::Plain<()>)),
        Returns::Plain { ty, .. } => {
            (quote!(#ty), quote!(#root::NoError), quote!(#root::Plain<#ty>))
        }
        Returns::Fallible { ty, ok, err } => {
            (quote!(#ok), quote!(#err), quote!(#root::Fallible<#ty>))
        }
        Returns::Lifted { ty, ok, err } => {
            let own = err.as_ref().map_or_else(|| quote!(#root::NoError), |err| quote!(#err));
            (quote!(#ok), own, quote!(#root::Lifted<#ty>))
        }
        Returns::Later { answer, .. } => {
            let (ok, err, outcome) = self::returns(root, answer);
            (ok, err, quote!(#root::Postponed<#outcome>))
        }
        Returns::Alias { ty } => {
            let (root, at) = (root.at(ty.span()), located(ty.span()));
            let of = |part: &str| {
                let part = Ident::new(part, at);
                quote_spanned!(at=> <#ty as #root::AnyResult>::#part)
            };
            (of("Ok"), of("Err"), of("Outcome"))
        }
    }
}

/// Writes everything of one message.
pub(super) struct Expander<'a> {
    pub(super) contract: &'a Contract,
    pub(super) message: &'a Message,
    /// Its place in the dispatch table.
    pub(super) place: usize,
}

impl Expander<'_> {
    pub(super) fn expand(&self) -> TokenStream {
        let cfgs = &self.message.cfgs;
        let cfgs = quote!(#(#cfgs)*);
        let mut items = vec![self.declare()];
        items.extend(arguments::arguments(self.contract, self.message));
        items.push(self.describe());
        items.extend(self.persisted());
        items.extend(self.stream());
        items.push(run::run(self.contract, self.message));
        items.extend(ask(&self.contract.root, &self.message.returns));
        items.extend(self.unstored());
        items.into_iter().map(|item| quote!(#cfgs #item)).collect()
    }

    /// The struct.
    fn declare(&self) -> TokenStream {
        let Message { visibility, message, method, .. } = self.message;
        let owner = self.contract.owner.shown();
        let doc = format!(" The message of `{owner}::{}`.", unraw(method));
        let fields =
            self.message.arguments().map(|Argument { name, ty }| quote!(#visibility #name: #ty));
        let allowed = quote! {
            // A message and its fields are as visible as the method.
            #[allow(dead_code, missing_debug_implementations, missing_docs, private_interfaces)]
        };
        if !is_marked(self.contract, self.message) {
            return quote! {
                #[doc = #doc]
                #allowed
                #visibility struct #message {
                    #(#fields,)*
                }
            };
        }
        let (entity, marker) = (self.contract.owner.contract_type(), local(MARKER));
        let why = format!(" `OfEntity` is always `{owner}`: the message is as visible as that.");
        quote! {
            #[doc = #doc]
            #[doc = ""]
            #[doc = #why]
            #allowed
            #visibility struct #message<OfEntity = #entity> {
                #(#fields,)*
                #marker: ::core::marker::PhantomData<fn() -> OfEntity>,
            }
        }
    }

    /// `impl Message`
    fn describe(&self) -> TokenStream {
        let root = &self.contract.root;
        let message = &self.message.message;
        let contract = self.contract.owner.contract_type();
        let (ok, err, outcome) = returns(root, &self.message.returns);
        let delivery = match self.message.options.persisted {
            Some(_) => quote!(#root::Durable),
            None => quote!(#root::Volatile),
        };
        let info = self.info();
        let transaction = self.transaction();
        quote! {
            #[doc(hidden)]
            impl #root::Message for #message {
                type Contract = #contract;
                type Ok = #ok;
                type Err = #err;
                type Outcome = #outcome;
                type Delivery = #delivery;
                const INFO: &'static #root::MessageInfo = &#info;
                #transaction
            }
        }
    }

    fn info(&self) -> TokenStream {
        let root = &self.contract.root;
        let Message { name, access, options, .. } = self.message;
        let name = &name.text;
        let tag = match &options.tag {
            Some((tag, _)) => {
                let tag = Literal::u64_unsuffixed(*tag);
                quote!(#root::MessageTag::new(#tag))
            }
            None => quote!(#root::MessageTag::of(#name)),
        };
        let index = self.index();
        let delivery = match options.persisted {
            Some(_) => quote!(#root::Delivery::Persisted),
            None => quote!(#root::Delivery::Volatile),
        };
        let access = match access {
            Access::Shared => quote!(#root::Access::Shared),
            Access::Exclusive => quote!(#root::Access::Exclusive),
        };
        let timeout = match options.timeout.map(duration) {
            Some(timeout) => quote!(::core::option::Option::Some(#timeout)),
            None => quote!(::core::option::Option::None),
        };
        let retry = retry(root, &options.retry);
        let uninterruptible = options.uninterruptible.is_some();
        let fenced = options.fenced.is_some();
        let transaction = options.transaction.is_some();
        let context = self.message.takes_context();
        let arguments = self.message.arguments().map(Argument::field);
        quote! {
            #root::MessageInfo {
                name: #name,
                tag: #tag,
                index: #index,
                delivery: #delivery,
                access: #access,
                timeout: #timeout,
                uninterruptible: #uninterruptible,
                fenced: #fenced,
                transaction: #transaction,
                retry: #retry,
                context: #context,
                arguments: &[#(#arguments),*],
            }
        }
    }

    /// The place in the dispatch table. Messages before it that may not be compiled are counted if
    /// they are.
    fn index(&self) -> TokenStream {
        let (conditional, there): (Vec<_>, Vec<_>) =
            self.contract.messages[..self.place].iter().partition(|other| !other.cfgs.is_empty());
        let there = Literal::usize_unsuffixed(there.len());
        if conditional.is_empty() {
            return quote!(#there);
        }
        let conditions = conditional.iter().map(|other| &other.cfgs);
        let count = local("count");
        quote! {{
            let mut #count: usize = #there;
            #(#(#conditions)* { #count += 1; })*
            #count
        }}
    }

    fn transaction(&self) -> TokenStream {
        let answer = match &self.message.options.transaction {
            None => return TokenStream::new(),
            Some(Transaction::Always(_)) => quote!(true),
            Some(Transaction::If(_, function)) if self.can_call(function) => {
                let function = self.function(function);
                let arguments = self.message.arguments().map(|argument| &argument.name);
                quote_spanned!(located(function.span())=> #function(#(&self.#arguments),*))
            }
            Some(Transaction::If(..)) => quote!(false),
        };
        quote! {
            fn transaction(&self) -> bool {
                #answer
            }
        }
    }

    fn can_call(&self, function: &Path) -> bool {
        let is_self = function.segments[0].ident == "Self";
        let is_known = matches!(self.contract.owner, Owner::Entity(_)) || !is_self;
        self.message.is_sound && is_known
    }

    /// The path of a function, in which `Self` is the entity.
    fn function(&self, path: &Path) -> TokenStream {
        let mut segments = path.segments.iter();
        match (&self.contract.owner, segments.next()) {
            (Owner::Entity(entity), Some(first)) if first.ident == "Self" => {
                quote!(<#entity>::#(#segments)::*)
            }
            _ => path.to_token_stream(),
        }
    }

    /// Asks whether nothing of the entity is stored, where that decides whether a reply may come
    /// later. Of a trait's messages that is asked of who serves it.
    fn unstored(&self) -> Option<TokenStream> {
        let (root, Owner::Entity(entity)) = (&self.contract.root, &self.contract.owner) else {
            return None;
        };
        let Returns::Later { ty, .. } = &self.message.returns else { return None };
        let question = quote_spanned!(located(ty.span())=> replies_later());
        let asked = quote! {
            const _: fn() = || #root::Changed::<#entity>::ASK.#question;
        };
        changes_and_replies_later(self.message).then_some(asked)
    }

    fn persisted(&self) -> Option<TokenStream> {
        let (root, message) = (&self.contract.root, &self.message.message);
        self.message.options.persisted.map(|_| {
            quote! {
                // A message that is not persisted is not told of those that are.
                #[diagnostic::do_not_recommend]
                #[doc(hidden)]
                impl #root::Persisted for #message {}
            }
        })
    }

    fn stream(&self) -> Option<TokenStream> {
        let (root, message) = (&self.contract.root, &self.message.message);
        self.message.options.stream.map(|_| {
            quote! {
                #[doc(hidden)]
                impl #root::StreamMessage for #message {}
            }
        })
    }
}

/// Whether a handler that changes its entity replies later: only one of which nothing is stored.
pub(super) fn changes_and_replies_later(message: &Message) -> bool {
    message.access == Access::Exclusive && matches!(message.returns, Returns::Later { .. })
}

/// Asks of a plain reply whether it is a `Result` under another name.
pub(super) fn ask(root: &Root, returns: &Returns) -> Option<TokenStream> {
    let ty = match returns {
        Returns::Plain { ty, ask: true } => ty,
        Returns::Later { answer, .. } => return ask(root, answer),
        _ => return None,
    };
    let question = quote_spanned!(located(ty.span())=> plain());
    Some(quote! {
        const _: fn() = || {
            use #root::ReturnedPlain as _;
            #root::Returned::<#ty>::ASK.#question;
        };
    })
}
