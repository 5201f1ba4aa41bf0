/** From what a section of the configuration says to its sink. */
import { createEmail } from '../sinks/email/email.js';
import { createModuleSink } from '../sinks/module/module.js';
import type { SinkSettings } from '../sinks/settings.js';
import type { Sink } from '../sinks/types.js';
import { createWebhook } from '../sinks/webhook/webhook.js';
import type { Log } from './log/types.js';

/**
 * Loads the files that the section names; a module is run. Nothing is sent yet.
 * @throws PosternError POSTERN_E_SINK with section, path and what to do
 */
export async function createSink(settings: SinkSettings, log: Log): Promise<Sink> {
  switch (settings.kind) {
    case 'webhook':
      return createWebhook(settings, { log });
    case 'email':
      return createEmail(settings, { log });
    case 'module':
      return createModuleSink(settings, { log });
  }
}

/** The files that the sink is made of. */
export function filesOf(settings: SinkSettings): readonly string[] {
  const files = () => {
    switch (settings.kind) {
      case 'webhook':
        return [settings.secretFile, settings.caFile, settings.bodyFile];
      case 'email': {
        const { passwordFile, caFile, subjectFile, textFile, htmlFile } = settings;
        return [passwordFile, caFile, subjectFile, textFile, htmlFile];
      }
      case 'module':
        return [settings.path];
    }
  };
  return files().filter((file) => file !== undefined);
}
