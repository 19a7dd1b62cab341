"""Write a template as transformed by SAM; run by SAM's own Python.

Usage: python sam_transform.py TEMPLATE
"""

import json
import sys
from pathlib import Path

import boto3

# SAM has a separate environment, which the type checker does not see.
from samcli.yamlhelper import yaml_parse  # type: ignore[import-not-found]
from samtranslator.parser.parser import Parser  # type: ignore[import-not-found]
from samtranslator.translator.translator import Translator  # type: ignore[import-not-found]

template = yaml_parse(Path(sys.argv[1]).read_text())
for resource in template["Resources"].values():
    for place in ("CodeUri", "ContentUri"):
        if place in resource.get("Properties", {}):
            resource["Properties"][place] = "s3://bucket/key"
session = boto3.Session(region_name="eu-central-1")
parameters = {"SenderIdentities": "brand.example", "Architecture": "x86_64"}
made = Translator({}, Parser(), boto_session=session).translate(template, parameters)
json.dump(made, sys.stdout, default=str)
