"""Puts a trained student on the hub of Hugging Face, with a model card, as a private repository unless it exists already.

Downloaded into runs/<run>/model, it answers as any other student. The token comes from HF_TOKEN or from `hf auth login`:
huggingface_hub finds it, and nothing here sees or prints it.
"""

from pathlib import Path

from emojisummary.artifacts import write_text
from emojisummary.stage import UserError
from emojisummary.training.export import card

LEFT_OUT = ["checkpoints/*", "*.made/*", "*.part", "*.part/*", "*.tmp", "export/README.md", "export/*.parity.yaml"]
EXPORTS = {
    "export/merged/*": {"merged"}, "export/*.gguf": {"gguf", "ollama"}, "export/emoji.gbnf": {"gguf", "ollama"},
    "export/Modelfile": {"ollama"}, "export/emoji.schema.json": {"ollama"},
}  # fmt: skip


def push(model: Path, settings) -> str:
    """Uploads the student's folder with the exports that `settings.export` names, and returns its address.

    Raises UserError where that fails: nothing is lost, and the same command tries again.
    """
    import httpx
    from huggingface_hub import HfApi

    write_text(model / "README.md", card(model, settings))
    unwanted = [pattern for pattern, names in EXPORTS.items() if not names & set(settings.export)]
    api, name = HfApi(), settings.push_to_hub
    try:
        url = api.create_repo(name, private=True, exist_ok=True)
        api.upload_folder(repo_id=name, folder_path=model, ignore_patterns=LEFT_OUT + unwanted, commit_message="EmojiSummary")
    except (OSError, ValueError, httpx.HTTPError) as error:  # no token, no network, no such user, no such name
        raise UserError(
            f"{name} can't be uploaded to the hub: {' '.join(str(error).split())} The student is kept in {model}. Log in with "
            "`hf auth login` or set HF_TOKEN to a token that may write, look after the network, and run the same command again."
        ) from None
    return str(url)
