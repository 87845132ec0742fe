# Varnish with its builtin VCL, and what the builtin VCL leaves to the administrator.
# @ORIGIN_HOST@ and @ORIGIN_PORT@ are filled in by `cargo xtask conformance`, which also says on the command line that
# nothing is fresh or served stale without the origin's leave (default_ttl=0, default_grace=0): grace then comes from
# stale-while-revalidate alone. This version knows no stale-if-error.

vcl 4.1;

backend default {
    .host = "@ORIGIN_HOST@";
    .port = "@ORIGIN_PORT@";
}

sub vcl_backend_response {
    # What can be asked about is kept for that, beyond its freshness.
    if (beresp.http.ETag || beresp.http.Last-Modified) {
        set beresp.keep = 1h;
    }
    # A fetch in the background that fails leaves in place what is there.
    if (beresp.status >= 500 && bereq.is_bgfetch) {
        return (abandon);
    }
}
