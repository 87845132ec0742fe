//! Real servers, scripted origins and raw clients for tests.
