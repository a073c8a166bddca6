import { guardedTutor } from '../../src/learning/tutor/guarded-tutor.ts'
import type { TutorModel } from '../../src/learning/tutor/tutor-model.ts'
import { localModerators } from '../../src/safety/moderation/moderation.ts'
import { type ProviderModerator, type ProviderOptions, providerModerator } from '../../src/safety/moderation/provider.ts'
import type { TestClock } from './clock.ts'
import { type ModelTalk, type ModelTalkOptions, modelTalk } from './language-tutor.ts'
import type { Behaviour } from './model-server.ts'
import { tutor as builtin } from './tutor-talk.ts'

export const { moderate, ...moderators } = localModerators()

/** A model behind the guard, with the real local rules. */
export const guarded = (model: TutorModel, provider?: ProviderModerator): TutorModel => guardedTutor({ model, builtin, ...moderators, provider })

export interface JudgedTalk extends ModelTalk {
  /** Texts that were not judged, by kind and status. */
  readonly unjudged: readonly string[]
}

/** A moderator behind a provider on the loopback, and what it did not judge. */
export function moderatorAt(baseUrl: string, clock: TestClock, options?: Partial<ProviderOptions>) {
  const unjudged: string[] = []
  const access = { apiKey: 'sk-test', baseUrl, model: 'scripted-moderation' }
  const onFailure = ({ kind, status }: { kind: string; status: number | undefined }) => void unjudged.push(status === undefined ? kind : `${kind} ${status}`)
  return { provider: providerModerator(access, { clock, onFailure }, options), unjudged }
}

/** A guarded tutor with a language model of its own behind it; our own rules judge alone. */
export const guardedTalk = (behaviours: Behaviour | readonly Behaviour[], options: ModelTalkOptions = {}): Promise<ModelTalk> =>
  modelTalk(behaviours, { around: (model) => guarded(model), ...options })

/** The same with a provider that judges, too. */
export async function judgedTalk(
  behaviours: Behaviour | readonly Behaviour[],
  moderation: Behaviour | readonly Behaviour[],
  options: Partial<ProviderOptions> = {},
): Promise<JudgedTalk> {
  let unjudged: readonly string[] = []
  const talk = await modelTalk(behaviours, {
    around(model, server, clock) {
      const moderator = moderatorAt(server.baseUrl, clock, options)
      unjudged = moderator.unjudged
      return guarded(model, moderator.provider)
    },
  })
  talk.server.moderation.behave(...[moderation].flat())
  return { ...talk, unjudged }
}
