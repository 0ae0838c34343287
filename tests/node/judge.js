// Feeds Segment events into Segment's own Amplitude (Actions) destination, with its default mappings, and prints what
// would have gone to Amplitude: one JSON line per event, {"messageId", "requests": [{"url", "body"}], "errors": []}.
// Reads the events as a JSON array from standard input.
'use strict'

const nock = require('nock')
const { Destination } = require('@segment/actions-core')
const definition = require('@segment/action-destinations/dist/destinations/amplitude').default

const settings = { apiKey: 'judge-api-key', secretKey: 'judge-secret', endpoint: 'north_america' }

function defaults(action) {
  const mapping = {}
  for (const [name, field] of Object.entries(definition.actions[action].fields)) {
    if (field.default !== undefined) mapping[name] = field.default
  }
  return mapping
}

// The presets that a new destination is created with; the browser-only one never runs in the cloud.
function presets() {
  return definition.presets
    .filter((preset) => preset.type === 'automatic' && preset.partnerAction !== 'sessionId')
    .map((preset) => ({
      enabled: true,
      name: preset.name,
      partnerAction: preset.partnerAction,
      subscribe: preset.subscribe,
      mapping: { ...defaults(preset.partnerAction), ...preset.mapping },
    }))
}

function decode(body) {
  if (typeof body !== 'string') return body
  const form = Object.fromEntries(new URLSearchParams(body))
  for (const name of ['identification', 'mapping']) {
    if (form[name]) form[name] = JSON.parse(form[name])
  }
  return form
}

async function judge(destination, event) {
  const requests = []
  const errors = []
  nock(/amplitude\.com/)
    .persist()
    .post(/.*/)
    .reply(200, function (uri, body) {
      requests.push({ url: `https://${this.req.headers.host}${uri}`, body: decode(body) })
      return {}
    })
  try {
    await destination.onEvent(event, { subscriptions: presets(), ...settings })
  } catch (error) {
    errors.push(String(error))
  }
  nock.cleanAll()
  return { messageId: event.messageId, requests, errors }
}

async function main() {
  nock.disableNetConnect()
  const chunks = []
  for await (const chunk of process.stdin) chunks.push(chunk)
  const destination = new Destination(definition)
  for (const event of JSON.parse(Buffer.concat(chunks))) {
    console.log(JSON.stringify(await judge(destination, event)))
  }
}

main()
