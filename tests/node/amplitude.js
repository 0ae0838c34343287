// Runs Segment's own Amplitude (Actions) destination over events and prints what would have gone to Amplitude. Reads
// {"fields": true} or {"cases": [{"event", "mappings"?, "settings"?}]} as JSON from standard input; without mappings a
// case has the presets. Writes one JSON line a case: {"requests": [{"url", "contentType", "body"}], "errors": []}; a
// form's JSON is decoded. `fields` prints the fields of each action instead, with types and defaults, and the presets.
'use strict'

const nock = require('nock')
const { Destination } = require('@segment/actions-core')
const definition = require('@segment/action-destinations/dist/destinations/amplitude').default

function defaults(action) {
  const mapping = {}
  for (const [name, field] of Object.entries(definition.actions[action].fields)) {
    if (field.default !== undefined) mapping[name] = field.default
  }
  return mapping
}

// The browser-only preset never runs in the cloud.
function presets() {
  return definition.presets
    .filter((preset) => preset.type === 'automatic' && preset.partnerAction !== 'sessionId')
    .map((preset) => ({
      name: preset.name,
      partnerAction: preset.partnerAction,
      subscribe: preset.subscribe,
      mapping: { ...defaults(preset.partnerAction), ...preset.mapping },
    }))
}

function subscriptions(mappings) {
  if (!mappings) return presets()
  return mappings.map((one) => ({
    name: one.name,
    partnerAction: one.action,
    subscribe: one.trigger,
    mapping: { ...defaults(one.action), ...one.fields },
  }))
}

function decode(body) {
  if (typeof body !== 'string') return body
  const form = Object.fromEntries(new URLSearchParams(body))
  for (const name of ['identification', 'mapping', 'options']) {
    if (form[name] && form[name] !== 'undefined') form[name] = JSON.parse(form[name])
  }
  return form
}

// One subscription at a time: an error of one would hide what the others do.
async function judge(destination, one) {
  const requests = []
  const errors = []
  nock(/amplitude\.com/)
    .persist()
    .post(/.*/)
    .reply(200, function (uri, body) {
      const contentType = String(this.req.headers['content-type'])
      requests.push({ url: `https://${this.req.headers.host}${uri}`, contentType, body: decode(body) })
      return {}
    })
  const settings = { apiKey: 'judge-api-key', secretKey: 'judge-secret', endpoint: 'north_america', ...one.settings }
  for (const subscription of subscriptions(one.mappings)) {
    try {
      await destination.onEvent(one.event, { subscriptions: [{ enabled: true, ...subscription }], ...settings })
    } catch (error) {
      errors.push(String(error))
    }
  }
  nock.cleanAll()
  return { requests, errors }
}

function fields() {
  const actions = {}
  for (const [name, action] of Object.entries(definition.actions)) actions[name] = action.fields
  return { actions, presets: presets(), regions: require('@segment/action-destinations/dist/destinations/amplitude/regional-endpoints').endpoints }
}

async function main() {
  nock.disableNetConnect()
  const chunks = []
  for await (const chunk of process.stdin) chunks.push(chunk)
  const asked = JSON.parse(Buffer.concat(chunks))
  if (asked.fields) return console.log(JSON.stringify(fields()))
  const destination = new Destination(definition)
  for (const one of asked.cases) console.log(JSON.stringify(await judge(destination, one)))
}

main()
