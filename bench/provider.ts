// A provider of a language model on the loopback, for bench/streams.ts: whatever it is asked, it thinks for a while and then
// tells the same reply at an even pace.
import { setTimeout as delay } from 'node:timers/promises'
import { eventsOf, startModelServer } from '../test/helpers/model-server.ts'

const { REPLY: reply = '', THINKS_MS: thinksMs, TOKEN_LENGTH: tokenLength, PACE_MS: paceMs } = process.env
const events = eventsOf(reply, { deltaLength: Number(tokenLength) })

const { baseUrl } = await startModelServer(async (response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  await delay(Number(thinksMs))
  const began = performance.now()
  for (const [at, event] of events.entries()) {
    response.write(event)
    await delay(began + (at + 1) * Number(paceMs) - performance.now())
  }
  response.end()
})
process.stdout.write(`ready at ${baseUrl}\n`)
