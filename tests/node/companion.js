// A companion app, with the libraries that Segment publishes. It prints the messageIds it sent as a JSON list.
//
//   node companion.js node|native URL KEY DEVICE COUNT
//
// DEVICE is put into context.device.id unless empty. `native` is the React Native client on a stand-in of react-native:
// no native modules, an app that stays in the foreground.
"use strict";

const Module = require("node:module");

const [library, url, writeKey, device, count] = process.argv.slice(2);
const context = device ? { device: { id: device } } : {};

function reactNative() {
  const memory = new Map();
  const storage = {
    getItem: async (key) => memory.get(key) ?? null,
    setItem: async (key, value) => void memory.set(key, value),
    removeItem: async (key) => void memory.delete(key),
  };
  const standIns = {
    "react-native": {
      AppState: { currentState: "active", addEventListener: () => ({ remove() {} }) },
      NativeModules: {},
      NativeEventEmitter: class {},
      Platform: { OS: "ios", select: (choices) => choices.ios ?? choices.default },
    },
    react: { createContext: () => null, useContext: () => null },
    "react-native-get-random-values": {},
    "@react-native-async-storage/async-storage": { __esModule: true, default: storage },
  };
  const load = Module._load;
  Module._load = (name, ...rest) => standIns[name] ?? load(name, ...rest);
  console.log = console.warn = console.info = () => {};
  return require("@segment/analytics-react-native");
}

async function overNode() {
  const { Analytics } = require("@segment/analytics-node");
  const app = new Analytics({ writeKey, host: url, maxRetries: 200, flushAt: 10, flushInterval: 100 });
  const sent = [];
  app.on("http_request", ({ body }) => sent.push(...JSON.parse(body).batch.map((event) => event.messageId)));
  const who = { anonymousId: "anon-node", context };
  app.identify({ ...who, userId: "user-7", traits: { plan: "pro" } });
  app.page({ ...who, name: "Start" });
  app.screen({ ...who, name: "Home" });
  app.group({ ...who, groupId: "team-1", traits: {} });
  app.alias({ previousId: "anon-node", userId: "user-7", context });
  for (let number = 0; number < Number(count); number++) {
    app.track({ ...who, event: "Tapped", properties: { number } });
    if (number % 5 === 4) await new Promise((done) => setTimeout(done, 20));
  }
  await app.closeAndFlush({ timeout: 60_000 });
  return [...new Set(sent)];
}

async function overNative() {
  const { createClient } = reactNative();
  const { AmplitudeSessionPlugin } = require("@segment/analytics-react-native-plugin-amplitude-session");
  const app = createClient({
    writeKey,
    proxy: url + "/v1",
    cdnProxy: url + "/v1",
    useSegmentEndpoints: true,
    allowInsecureProxy: true,
    flushAt: 1000,
    flushInterval: 0,
  });
  app.add({ plugin: new AmplitudeSessionPlugin() });
  await new Promise((done) => (app.isReady.value ? done() : app.isReady.onChange((ready) => ready && done())));
  if (device) await app.context.set({ ...app.context.get(), device: { id: device } });
  const sent = [];
  const fetching = globalThis.fetch;
  globalThis.fetch = async (target, options) => {
    if (options?.body) sent.push(...JSON.parse(options.body).batch.map((event) => event.messageId));
    return fetching(target, options);
  };
  await app.identify("user-7", { plan: "pro" });
  await app.screen("Home");
  await app.group("team-1");
  await app.alias("user-8");
  for (let number = 0; number < Number(count); number++) await app.track("Tapped", { number });
  await app.flush();
  return [...new Set(sent)];
}

(library === "node" ? overNode() : overNative()).then(
  (sent) => {
    process.stdout.write(JSON.stringify(sent) + "\n");
    process.exit(0);
  },
  (error) => {
    process.stderr.write(String(error.stack ?? error) + "\n");
    process.exit(1);
  },
);
