// A certified OpenID Provider on loopback for the tests: one public client with PKCE, logins by name, no consent page.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
const [, , modules, callback] = process.argv;
const require = createRequire(pathToFileURL(modules + "/").href);
const { Provider } = await import(pathToFileURL(require.resolve("oidc-provider")).href);
const http = await import("node:http");

const server = http.createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: "inbox-client",
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code"],
      response_types: ["code"],
      redirect_uris: [callback],
      application_type: "native",
    }],
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    features: {
      devInteractions: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({ scope: "decide", audience: "toolguard-api", accessTokenFormat: "jwt", accessTokenTTL: 600 }),
        defaultResource: () => undefined,
      },
    },
    cookies: { keys: ["test"] },
    pkce: { required: () => true },
  });
  server.on("request", provider.callback());
  console.log(JSON.stringify({ issuer }));
});
