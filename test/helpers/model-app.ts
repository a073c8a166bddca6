import type { ModelPatience } from '../../src/deps.ts'
import { createChild, type Family, registerParent, startConversation } from './family.ts'
import { type Behaviour, type ModelServer, startModelServer } from './model-server.ts'
import { startTestServer, type TestServer, type TestServerOptions } from './server.ts'

/** A provider that is silent is given up sooner than in earnest, but not by a busy machine. */
export const HASTY: ModelPatience = {
  tutor: { firstPieceMs: 2_000, betweenPiecesMs: 2_000, lastPieceMs: 1_000, firstSentenceMs: 5_000, wait: async () => {} },
  moderation: { longestMs: 2_000 },
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
