import { afterEach } from 'vitest'
import type { AgeGroup } from '../../src/family/age-groups.ts'
import type { ModelFailure } from '../../src/learning/tutor/language-model/failure.ts'
import { type LanguageTutorOptions, languageTutor } from '../../src/learning/tutor/language-model/language-tutor.ts'
import { loadPrompt } from '../../src/learning/tutor/language-model/prompt.ts'
import { openLanguageModel } from '../../src/learning/tutor/language-model/request.ts'
import type { TutorChoice, TutorModel, TutorTurn } from '../../src/learning/tutor/tutor-model.ts'
import { localModerators } from '../../src/safety/moderation/moderation.ts'
import { type TestClock, testClock } from './clock.ts'
import { curriculum, topicNamed } from './curriculum.ts'
import { type Behaviour, type ModelServer, startModelServer } from './model-server.ts'
import { tutor as builtin, listenTo, type Reply, retrieval, turnIn } from './tutor-talk.ts'

export const MODEL = 'scripted-model'
const { moderateReply } = localModerators()

export interface ModelTalk {
  readonly server: ModelServer
  readonly tutor: TutorModel
  readonly clock: TestClock
  /** Attempts that failed, by kind and status. */
  readonly failures: readonly string[]
  /** Pauses between attempts, in milliseconds; none is really waited for, the clock moves on. */
  readonly waits: readonly number[]
  ask(question: string, rest?: Partial<TutorTurn>): Promise<Reply>
  tap(choice: TutorChoice, rest?: Partial<TutorTurn>): Promise<Reply>
}

export interface ModelTalkOptions extends Partial<LanguageTutorOptions> {
  /** What is put around the tutor. */
  readonly around?: (tutor: TutorModel, server: ModelServer, clock: TestClock) => TutorModel
}

const open: ModelServer[] = []
afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})

/** A tutor of its own, with a fresh circuit and budget, and a provider of its own that behaves as told. Talks about Space at 7 to 9. */
export async function modelTalk(
  behaviours: Behaviour | readonly Behaviour[],
  { around, ...options }: ModelTalkOptions = {},
  ageGroup: AgeGroup = 'curious_explorers',
): Promise<ModelTalk> {
  const server = await startModelServer(...[behaviours].flat())
  open.push(server)
  const clock = testClock()
  const failures: string[] = []
  const waits: number[] = []
  const onFailure = ({ kind, status }: ModelFailure) => void failures.push(status === undefined ? kind : `${kind} ${status}`)
  const model = openLanguageModel({ apiKey: 'sk-test', baseUrl: server.baseUrl, model: MODEL }, clock)
  const wait = async (ms: number) => {
    waits.push(ms)
    clock.advance(ms)
  }
  const bare = languageTutor(
    { builtin, curriculum, retrieval, model, prompt: loadPrompt(), clock, moderateReply, onFailure },
    { wait, random: () => 0, ...options },
  )
  const tutor = around ? around(bare, server, clock) : bare
  const say = (said: TutorTurn['said'], rest: Partial<TutorTurn> = {}) => listenTo(tutor, turnIn(topicNamed('space'), ageGroup, said, rest))
  return { server, tutor, clock, failures, waits, ask: (question, rest) => say({ question }, rest), tap: (choice, rest) => say({ choice }, rest) }
}
