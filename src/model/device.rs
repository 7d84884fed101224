//! Where a model computes, and why it cannot elsewhere.

use std::fmt;
use std::str::FromStr;

use candle_core::Device;
use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, RefreshKind, System};

use super::ModelError;

/// A place to compute, as written in settings: `cpu`, `cuda`, `cuda:1`, `metal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceChoice {
    /// The processor.
    #[default]
    Cpu,
    /// An NVIDIA GPU, by number.
    Cuda(usize),
    /// An Apple GPU, by number.
    Metal(usize),
}

/// The kinds of numbers that a model computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32-bit numbers, whatever the file holds.
    #[default]
    F32,
    /// bfloat16, on a GPU.
    Bf16,
    /// Half precision, on a GPU.
    F16,
    /// Weights as 8-bit integers with a scale for each output, on the processor.
    Int8,
}

impl Precision {
    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::Int8 => "int8",
        }
    }
}

/// A device as the program lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// What to write in settings.
    pub choice: DeviceChoice,
    /// What its maker calls it, where the system tells.
    pub name: Option<String>,
    /// Why it cannot be used; `None` if it can.
    pub missing: Option<String>,
}

impl DeviceChoice {
    /// Opens the device.
    ///
    /// # Errors
    /// [`ModelError::Device`] with the reason: not built in, or absent.
    pub fn open(self) -> Result<Device, ModelError> {
        let not_built = |feature: &str| ModelError::Device {
            name: self.to_string(),
            reason: format!("this build of Lamplight has no {feature} support"),
        };
        let absent = |source: candle_core::Error| ModelError::Device {
            name: self.to_string(),
            reason: source.to_string(),
        };
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(_) if !candle_core::utils::cuda_is_available() => Err(not_built("CUDA")),
            Self::Cuda(number) => Device::new_cuda(number).map_err(absent),
            Self::Metal(_) if !cfg!(target_os = "macos") => Err(ModelError::Device {
                name: self.to_string(),
                reason: "Metal is a part of macOS".to_owned(),
            }),
            Self::Metal(_) if !candle_core::utils::metal_is_available() => Err(not_built("Metal")),
            Self::Metal(number) => Device::new_metal(number).map_err(absent),
        }
    }

    /// All kinds of devices, each with the reason if it cannot be used.
    pub fn list() -> Vec<DeviceInfo> {
        let info = |choice: Self| DeviceInfo {
            choice,
            name: (choice == Self::Cpu).then(processor_name).flatten(),
            missing: choice.open().err().map(|error| error.to_string()),
        };
        let mut list: Vec<DeviceInfo> = [Self::Cpu, Self::Cuda(0)].map(info).into();
        // Further cards are listed as far as there are some.
        let more = (1..MOST_CARDS).map(|number| info(Self::Cuda(number)));
        if list.iter().all(|device| device.missing.is_none()) {
            list.extend(more.take_while(|device| device.missing.is_none()));
        }
        list.push(info(Self::Metal(0)));
        list
    }

    /// The first GPU that can be used, else the processor.
    pub fn best() -> Self {
        let usable = |choice: &Self| choice.open().is_ok();
        [Self::Cuda(0), Self::Metal(0)].into_iter().find(usable).unwrap_or(Self::Cpu)
    }
}

/// At most so many cards are looked for.
const MOST_CARDS: usize = 16;

fn processor_name() -> Option<String> {
    let kind = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
    let system = System::new_with_specifics(kind).ok()?;
    let name = system.cpus().first()?.brand().trim().to_owned();
    (!name.is_empty()).then_some(name)
}

/// The vector instructions that kernels use on this processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstructionSets {
    /// Those of T5 models and encoders.
    pub t5: &'static str,
    /// Those of GGUF models.
    pub gguf: &'static str,
}

/// The vector instructions that kernels use on this processor.
pub fn instruction_sets() -> InstructionSets {
    InstructionSets { t5: super::kernels::simd::Isa::detect().name(), gguf: super::gguf::instructions() }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Metal(number) => write!(f, "metal:{number}"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        let (kind, number) = text.split_once(':').unwrap_or((text, "0"));
        match (kind, number.parse()) {
            ("cpu", Ok(0)) => Ok(Self::Cpu),
            ("cuda", Ok(number)) => Ok(Self::Cuda(number)),
            ("metal", Ok(number)) => Ok(Self::Metal(number)),
            _ => Err(ModelError::Device {
                name: text.to_owned(),
                reason: "devices are called cpu, cuda, cuda:1 or metal".to_owned(),
            }),
        }
    }
}

impl TryFrom<String> for DeviceChoice {
    type Error = ModelError;

    fn try_from(text: String) -> Result<Self, ModelError> {
        text.parse()
    }
}

impl From<DeviceChoice> for String {
    fn from(choice: DeviceChoice) -> Self {
        choice.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_nonsense_is_refused() {
        for (text, choice) in [
            ("cpu", DeviceChoice::Cpu),
            ("cuda:1", DeviceChoice::Cuda(1)),
            ("metal:0", DeviceChoice::Metal(0)),
        ] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap(), choice);
            assert_eq!(choice.to_string(), text);
        }
        assert_eq!("cuda".parse::<DeviceChoice>().unwrap(), DeviceChoice::Cuda(0));
        for text in ["", "gpu", "cuda:x", "cpu:1"] {
            assert!(text.parse::<DeviceChoice>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_processor_is_always_there_and_what_is_missing_has_a_reason() {
        let list = DeviceChoice::list();
        assert_eq!((list[0].choice, &list[0].missing), (DeviceChoice::Cpu, &None));
        #[cfg(not(feature = "cuda"))]
        assert!(list[1].missing.as_ref().unwrap().contains("no CUDA support"));
    }
}
