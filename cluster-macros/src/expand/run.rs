//! The call of the handler: one of four traits, by `fn` or `async fn` and by the borrow; or one of
//! the two for streams.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};

use crate::hygiene::{local, located, parameter};
use crate::model::{Access, Contract, Message, Owner, Parameter};

pub(super) fn run(contract: &Contract, message: &Message) -> TokenStream {
    let (root, name) = (&contract.root, &message.message);
    let (generics, entity) = match &contract.owner {
        Owner::Entity(entity) => (TokenStream::new(), quote!(#entity)),
        Owner::Trait(contract) => {
            let entity = parameter("Entity");
            (quote!(<#entity: #contract>), quote!(#entity))
        }
    };
    let is_stream = message.options.stream.is_some();
    let style = match (message.is_async, message.access) {
        (_, Access::Exclusive) if is_stream => quote!(StreamsMut),
        (_, Access::Shared) if is_stream => quote!(Streams),
        (true, Access::Exclusive) => quote!(Exclusive),
        (true, Access::Shared) => quote!(Shared),
        (false, Access::Exclusive) => quote!(ExclusiveFn),
        (false, Access::Shared) => quote!(SharedFn),
    };
    let body = if is_stream {
        stream(contract, message, &entity)
    } else if message.is_async {
        future(contract, message, &entity)
    } else {
        plain(contract, message, &entity)
    };
    let is_deprecated = message.docs.iter().any(|docs| docs.path().is_ident("deprecated"));
    let allow = is_deprecated.then(|| quote!(#[allow(deprecated)])); // Callers are warned.
    quote! {
        #[doc(hidden)]
        impl #generics #root::#style<#entity> for #name {
            #allow
            #body
        }
    }
}

fn borrow(access: Access) -> TokenStream {
    match access {
        Access::Shared => TokenStream::new(),
        Access::Exclusive => quote!(mut),
    }
}

/// The future of an `async fn`. What keeps it from being sent is shown at the handler's name.
fn future(contract: &Contract, message: &Message, ty: &TokenStream) -> TokenStream {
    let at = message.method.span();
    let root = contract.root.at(at);
    let mutability = borrow(message.access);
    let (entity, ctx) = (local("entity"), local("ctx"));
    let call = if message.is_sound {
        call(contract, message, &quote!(#ctx))
    } else {
        quote!(::core::future::pending())
    };
    quote_spanned! {located(at)=>
        fn run<'a>(
            self,
            #entity: &'a #mutability #ty,
            #ctx: &'a #root::Context,
        ) -> impl ::core::future::Future<Output = #root::ReturnOf<Self>>
                + ::core::marker::Send
                + 'a {
            #call
        }
    }
}

/// The call of a stream's handler. What keeps the stream from being sent is shown at the handler's
/// name.
fn stream(contract: &Contract, message: &Message, ty: &TokenStream) -> TokenStream {
    let at = message.method.span();
    let root = contract.root.at(at);
    let mutability = borrow(message.access);
    let (entity, ctx) = (local("entity"), local("ctx"));
    let call = if message.is_sound {
        let call = call(contract, message, &quote!(#ctx));
        let wait = message.is_async.then(|| quote!(.await));
        let stream = Ident::new("stream", local("stream").span().located_at(at));
        quote_spanned! {located(at)=>
            async move {
                let #stream = #call #wait;
                #root::stream::<Self>(#stream)
            }
        }
    } else {
        quote!(::core::future::pending())
    };
    quote_spanned! {located(at)=>
        fn run<'a>(
            self,
            #entity: &'a #mutability #ty,
            #ctx: &'a #root::Context,
        ) -> impl ::core::future::Future<Output = #root::StreamOf<Self>>
                + ::core::marker::Send
                + 'a {
            #call
        }
    }
}

/// The call of a plain `fn`. What its return type is not is shown there.
fn plain(contract: &Contract, message: &Message, ty: &TokenStream) -> TokenStream {
    let at = message.returns.span(message.method.span());
    let root = contract.root.at(at);
    let mutability = borrow(message.access);
    let (entity, ctx) = (local("entity"), local("ctx"));
    let call = if message.is_sound {
        call(contract, message, &quote!(#root::context(#ctx)))
    } else {
        quote!(::core::unreachable!())
    };
    quote_spanned! {located(at)=>
        fn run(
            self,
            #entity: &#mutability #ty,
            #ctx: ::core::option::Option<&#root::Context>,
        ) -> #root::ReturnOf<Self> {
            #call
        }
    }
}

/// The call itself, with its arguments in the user's order.
fn call(contract: &Contract, message: &Message, ctx: &TokenStream) -> TokenStream {
    let (method, entity) = (&message.method, local("entity"));
    let given = message.parameters.iter().map(|parameter| match parameter {
        Parameter::Argument(argument) => {
            let name = &argument.name;
            quote!(self.#name)
        }
        Parameter::Context | Parameter::Unusable => ctx.clone(),
    });
    match &contract.owner {
        Owner::Entity(ty) => quote!(<#ty>::#method(#entity, #(#given),*)),
        Owner::Trait(contract) => {
            let ty = parameter("Entity");
            quote!(<#ty as #contract>::#method(#entity, #(#given),*))
        }
    }
}
