import type { ModelPatience } from '../../src/deps.ts'
import { createChild, type Family, registerParent, startConversation } from './family.ts'
import { type Behaviour, type ModelServer, startModelServer } from './model-server.ts'
import { startTestServer, type TestServer, type TestServerOptions } from './server.ts'

/** Waits for nothing in earnest: a provider that is silent is given up soon. */
export const HASTY: ModelPatience = {
  tutor: { firstPieceMs: 400, betweenPiecesMs: 400, lastPieceMs: 200, firstSentenceMs: 1_500, wait: async () => {} },
  moderation: { longestMs: 400 },
}

export interface ModelApp {
  readonly provider: ModelServer
  readonly server: TestServer
  close(): Promise<void>
}

/** The real app with a provider of its own, so that its circuits are fresh. The provider judges too when `MODERATION_MODEL` is set. */
export async function startModelApp(behaviour: Behaviour, options: TestServerOptions = {}): Promise<ModelApp> {
  const provider = await startModelServer(behaviour)
  const env = { OPENAI_API_KEY: 'sk-test', OPENAI_BASE_URL: provider.baseUrl, TUTOR_MODEL: 'scripted-model', ...options.env }
  const server = await startTestServer({ patience: HASTY, ...options, env })
  return {
    provider,
    server,
    async close() {
      await server.close()
      await provider.close()
    },
  }
}

export interface ModelFamily extends Family {
  readonly conversation: string
}

/** A family whose child may learn all day, in a conversation about Space. */
export async function learnAllDay({ api }: TestServer, name = 'Emma', timezone?: string): Promise<ModelFamily> {
  const parent = await registerParent(api, { timezone })
  const family = { ...parent, childId: await createChild(api, parent.token, { name, settings: { daily_time_limit_minutes: 1440 } }) }
  return { ...family, conversation: await startConversation(api, family) }
}
