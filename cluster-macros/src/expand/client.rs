//! The client: one method for each message.

use proc_macro2::TokenStream;
use quote::quote;

use super::message::{MARKER, is_marked};
use crate::hygiene::{local, parameter, twin};
use crate::model::{Contract, Message, Parameter};

/// What the client wraps: a handle that makes calls, or one that makes reminders.
const HANDLE: &str = "Handle";

pub(super) fn client(contract: &Contract) -> TokenStream {
    let (root, client, handle) = (&contract.root, &contract.client, parameter(HANDLE));
    let doc = format!(" A client of one `{}`: cheap to clone and to send.", contract.owner.shown());
    let (streams, others): (Vec<_>, Vec<_>) =
        contract.messages.iter().partition(|message| message.options.stream.is_some());
    let methods = others.into_iter().map(|message| method(contract, message));
    // Nobody reads what a reminder would stream.
    let streams = (!streams.is_empty()).then(|| {
        let methods = streams.into_iter().map(|message| method(contract, message));
        quote! {
            // As the client that they are methods of.
            #[allow(dead_code, missing_docs, private_interfaces)]
            impl #client {
                #(#methods)*
            }
        }
    });
    quote! {
        #[doc = #doc]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        pub struct #client<#handle = #root::Handle> {
            handle: #handle,
        }

        #[doc(hidden)]
        impl<#handle: #root::Caller> #root::Client<#handle> for #client<#handle> {
            fn new(handle: #handle) -> Self {
                Self { handle }
            }

            fn handle(&self) -> &#handle {
                &self.handle
            }
        }

        // What the handlers may have, their twins may have as well.
        #[allow(dead_code, missing_docs, private_interfaces)]
        impl<#handle: #root::Caller> #client<#handle> {
            #(#methods)*
        }

        #streams
    }
}

fn method(contract: &Contract, message: &Message) -> TokenStream {
    let (root, handle) = (&contract.root, parameter(HANDLE));
    let Message { docs, cfgs, visibility, message: name, .. } = message;
    let method = twin(&message.method);
    let parameters = message.parameters.iter().filter_map(|parameter| match parameter {
        Parameter::Context => None,
        Parameter::Argument(argument) if message.is_sound => {
            let (name, ty) = (&argument.name, &argument.ty);
            Some(quote!(#name: #ty))
        }
        // Takes anything, so that calls of it are right.
        _ => Some(quote!(_: impl ::core::marker::Sized)),
    });
    let fields = message.arguments().map(|argument| &argument.name);
    let marker = is_marked(contract, message).then(|| {
        let marker = local(MARKER);
        quote!(#marker: ::core::marker::PhantomData)
    });
    let fields = fields.map(|field| quote!(#field)).chain(marker);
    let (call, make) = match message.options.stream {
        Some(_) => (quote!(#root::StreamCall), quote!(#root::Handle::stream)),
        None => (quote!(#handle::Call), quote!(#root::Caller::call)),
    };
    quote! {
        #(#cfgs)*
        #(#docs)*
        #visibility fn #method(&self, #(#parameters),*) -> #call<#name> {
            #make(&self.handle, #name { #(#fields),* })
        }
    }
}
